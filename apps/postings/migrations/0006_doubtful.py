"""What an earlier dispatch may have written is looked for first; a cancelled fact may be wanted
again."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import F

from apps.core.migration_ops import state_machine


def doubt_what_is_out(apps: Apps, _: BaseDatabaseSchemaEditor) -> None:
    """Whatever is unknown, or was once sent and is queued or dead, may stand there."""
    postings = apps.get_model("postings", "Posting").objects
    postings.filter(state="unknown").update(doubtful_since=F("updated_at"))
    seen = postings.filter(state__in=["queued", "dead"], first_sent_at__isnull=False)
    seen.update(doubtful_since=F("first_sent_at"))


class Migration(migrations.Migration):
    dependencies = [("postings", "0005_doubted")]

    operations = [
        migrations.AddField(
            model_name="posting", name="doubtful_since", field=models.DateTimeField(null=True)
        ),
        migrations.RunPython(doubt_what_is_out, migrations.RunPython.noop),
        state_machine(
            "postings_posting",
            [
                ("", "queued"),
                ("cancelled", "queued"),
                ("dead", "cancelled"),
                ("dead", "queued"),
                ("parked", "cancelled"),
                ("parked", "confirmed"),
                ("parked", "dead"),
                ("parked", "posted"),
                ("parked", "queued"),
                ("parked", "unknown"),
                ("posted", "confirmed"),
                ("posted", "parked"),
                ("queued", "cancelled"),
                ("queued", "dead"),
                ("queued", "parked"),
                ("queued", "rejected"),
                ("queued", "sending"),
                ("queued", "unknown"),
                ("rejected", "cancelled"),
                ("rejected", "dead"),
                ("rejected", "queued"),
                ("sending", "parked"),
                ("sending", "posted"),
                ("sending", "queued"),
                ("sending", "rejected"),
                ("sending", "unknown"),
                ("unknown", "parked"),
                ("unknown", "posted"),
                ("unknown", "queued"),
            ],
        ),
    ]
