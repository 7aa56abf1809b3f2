"""Who accepted a difference stands with it. The release before inserts without the column."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reconciliation", "0004_plural_names")]

    operations = [
        migrations.AddField(
            model_name="break",
            name="closed_by_label",
            field=models.CharField(blank=True, db_default="", default="", max_length=250),
        ),
    ]
