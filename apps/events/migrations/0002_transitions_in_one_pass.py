from django.db import migrations

from apps.core.state_sql import STATE_CHANGED


class Migration(migrations.Migration):
    dependencies = [("events", "0001_initial")]

    operations = [migrations.RunSQL(STATE_CHANGED, migrations.RunSQL.noop)]
