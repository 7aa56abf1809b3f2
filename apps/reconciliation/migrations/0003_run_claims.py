"""A comparison is claimed under an epoch until a moment; one whose worker died is made again."""

from django.db import migrations, models
from django.db.models.functions import Now

from apps.core.migration_ops import state_machine


class Migration(migrations.Migration):
    dependencies = [("reconciliation", "0002_break_unexplained_at")]

    operations = [
        migrations.AddField(
            model_name="reconciliationrun",
            name="epoch",
            field=models.BigIntegerField(default=0, db_default=0),
        ),
        migrations.AddField(
            model_name="reconciliationrun",
            name="due_at",
            field=models.DateTimeField(db_default=Now()),
        ),
        state_machine(
            "reconciliation_reconciliationrun",
            [
                ("", "pending"),
                ("pending", "failed"),
                ("pending", "running"),
                ("running", "completed"),
                ("running", "failed"),
                ("running", "pending"),
            ],
        ),
    ]
