from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0002_reference_search")]

    operations = [
        migrations.CreateModel(
            name="JourneyChange",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("journey_id", models.UUIDField()),
            ],
        ),
    ]
