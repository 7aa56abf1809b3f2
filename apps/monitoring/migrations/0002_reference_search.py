from django.db import migrations, models

# Finding text inside ids is only faster with trigrams, not different; a server without the
# extension (it comes with PostgreSQL's contrib package) scans instead.
TRIGRAMS = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm') THEN
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
        CREATE INDEX IF NOT EXISTS reference_trigram
            ON monitoring_referenceindex USING gin (value gin_trgm_ops);
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'pg_trgm may not be created by this role; searches inside ids scan the table';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0001_initial")]

    operations = [
        migrations.AddIndex(
            model_name="referenceindex",
            index=models.Index(
                fields=["value"], name="reference_prefix", opclasses=["varchar_pattern_ops"]
            ),
        ),
        migrations.AddIndex(
            model_name="referenceindex",
            index=models.Index(fields=["journey_id"], name="reference_journey"),
        ),
        migrations.RunSQL(TRIGRAMS, "DROP INDEX IF EXISTS reference_trigram"),
    ]
