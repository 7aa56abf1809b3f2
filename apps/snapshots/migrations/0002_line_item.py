"""Which items a platform's documents carry is asked for when a value is mapped."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("snapshots", "0001_initial")]

    operations = [
        migrations.AddIndex(
            model_name="sourcedocumentline",
            index=models.Index(fields=["item"], name="document_line_item"),
        ),
    ]
