from django.db import migrations, models
from django.db.models import F


def since_it_was_opened(apps, schema_editor):
    apps.get_model("reconciliation", "Break").objects.update(unexplained_at=F("opened_at"))


class Migration(migrations.Migration):
    dependencies = [("reconciliation", "0001_initial")]

    operations = [
        migrations.AddField("break", "unexplained_at", models.DateTimeField(null=True)),
        migrations.RunPython(since_it_was_opened, migrations.RunPython.noop),
        migrations.AlterField("break", "unexplained_at", models.DateTimeField()),
    ]
