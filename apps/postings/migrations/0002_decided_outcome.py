"""A person may decide a parked posting: adopt what stands at the vendor, or accept a difference."""

from django.db import migrations

from apps.core.migration_ops import state_machine


class Migration(migrations.Migration):
    dependencies = [("postings", "0001_initial")]

    operations = [
        state_machine(
            "postings_posting",
            [
                ("", "queued"),
                ("dead", "cancelled"),
                ("dead", "queued"),
                ("parked", "cancelled"),
                ("parked", "confirmed"),
                ("parked", "dead"),
                ("parked", "posted"),
                ("parked", "queued"),
                ("posted", "confirmed"),
                ("posted", "parked"),
                ("queued", "cancelled"),
                ("queued", "dead"),
                ("queued", "parked"),
                ("queued", "rejected"),
                ("queued", "sending"),
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
