"""A posting of a paused run is held back."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("postings", "0002_decided_outcome")]

    operations = [
        migrations.AddField(
            model_name="posting",
            name="is_held",
            field=models.BooleanField(default=False),
        ),
    ]
