"""A parked posting whose document people found removed is looked up before it is sent again."""

from django.db import migrations

from apps.core.migration_ops import state_machine


class Migration(migrations.Migration):
    dependencies = [("postings", "0004_lane_budget")]

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
                ("parked", "unknown"),
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
