"""The page of a journey finds its translations without reading all of them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mappings", "0001_initial")]

    operations = [
        migrations.AddIndex(
            model_name="translation",
            index=models.Index(
                fields=["journey_id"],
                name="translation_journey",
                condition=models.Q(journey_id__isnull=False),
            ),
        ),
    ]
