from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('connectors', '0002_lane_budget'),
    ]

    operations = [
        migrations.AddField(
            model_name='connection',
            name='write_failures',
            field=models.IntegerField(default=0),
        ),
    ]
