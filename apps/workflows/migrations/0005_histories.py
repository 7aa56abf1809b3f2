"""What a run read and decided is kept, a run may be held, and steps are undone one by one."""

import django.db.models.deletion
from django.db import migrations, models

from apps.core.migration_ops import state_machine


class Migration(migrations.Migration):
    dependencies = [("workflows", "0004_claims_and_slim_indexes")]

    operations = [
        migrations.RemoveField(model_name="workflowrun", name="facts"),
        migrations.AddField(
            model_name="workflowrun",
            name="fingerprint",
            field=models.CharField(blank=True, default="", max_length=64),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="workflowrun",
            name="held_for",
            field=models.CharField(blank=True, default="", max_length=20),
            preserve_default=False,
        ),
        migrations.AddIndex(
            model_name="workflowrun",
            index=models.Index(
                condition=models.Q(("held_for", ""), _negated=True),
                fields=["held_for"],
                name="run_held",
            ),
        ),
        migrations.AddField(
            model_name="step",
            name="command_hash",
            field=models.CharField(blank=True, default="", max_length=64),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="step",
            name="undo_hash",
            field=models.CharField(blank=True, default="", max_length=64),
            preserve_default=False,
        ),
        migrations.CreateModel(
            name="RunFacts",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("hash", models.CharField(max_length=64)),
                ("packed", models.BinaryField()),
                ("read_at", models.DateTimeField()),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="read_facts",
                        to="workflows.workflowrun",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("run", "hash"), name="facts_once")
                ],
            },
        ),
        state_machine(
            "workflows_workflowrun",
            [
                ("", "pending"),
                ("compensating", "compensated"),
                ("completed", "compensating"),
                ("failed", "cancelled"),
                ("failed", "compensating"),
                ("failed", "running"),
                ("paused", "cancelled"),
                ("paused", "compensating"),
                ("paused", "running"),
                ("pending", "cancelled"),
                ("pending", "failed"),
                ("pending", "paused"),
                ("pending", "running"),
                ("pending", "waiting"),
                ("running", "cancelled"),
                ("running", "compensating"),
                ("running", "completed"),
                ("running", "failed"),
                ("running", "paused"),
                ("running", "waiting"),
                ("waiting", "cancelled"),
                ("waiting", "compensating"),
                ("waiting", "completed"),
                ("waiting", "failed"),
                ("waiting", "paused"),
                ("waiting", "running"),
            ],
        ),
        state_machine(
            "workflows_step",
            [
                ("", "pending"),
                ("compensating", "compensated"),
                ("failed", "pending"),
                ("failed", "running"),
                ("failed", "skipped"),
                ("failed", "succeeded"),
                ("failed", "waiting"),
                ("pending", "failed"),
                ("pending", "running"),
                ("pending", "skipped"),
                ("pending", "succeeded"),
                ("pending", "waiting"),
                ("running", "failed"),
                ("running", "succeeded"),
                ("running", "waiting"),
                ("skipped", "pending"),
                ("succeeded", "compensated"),
                ("succeeded", "compensating"),
                ("succeeded", "pending"),
                ("waiting", "failed"),
                ("waiting", "pending"),
                ("waiting", "running"),
                ("waiting", "skipped"),
                ("waiting", "succeeded"),
            ],
        ),
    ]
