"""The people of a decision are the people of the accounts that made it, whoever writes the row."""

from django.db import migrations

CREATE = """
CREATE FUNCTION q2c_approval_people() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (
        (NEW.requested_by_id, NEW.requested_person_id, NEW.content_hash, NEW.kind,
         NEW.subject_type, NEW.subject_id)
        IS DISTINCT FROM
        (OLD.requested_by_id, OLD.requested_person_id, OLD.content_hash, OLD.kind,
         OLD.subject_type, OLD.subject_id)
    ) THEN
        RAISE EXCEPTION 'what was requested, and by whom, does not change'
            USING ERRCODE = 'check_violation';
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.decided_by_id IS NOT NULL AND (
        (NEW.decided_by_id, NEW.decided_person_id, NEW.decided_at)
        IS DISTINCT FROM (OLD.decided_by_id, OLD.decided_person_id, OLD.decided_at)
    ) THEN
        RAISE EXCEPTION 'a decision does not change' USING ERRCODE = 'check_violation';
    END IF;
    IF NOT EXISTS (
        SELECT FROM users_user u
        WHERE u.id = NEW.requested_by_id AND u.person_id = NEW.requested_person_id
    ) THEN
        RAISE EXCEPTION 'the maker is not the person of the account that asked'
            USING ERRCODE = 'check_violation';
    END IF;
    IF (NEW.decided_by_id IS NULL) <> (NEW.decided_person_id IS NULL) OR (
        NEW.decided_by_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM users_user u
            WHERE u.id = NEW.decided_by_id AND u.person_id = NEW.decided_person_id
        )
    ) THEN
        RAISE EXCEPTION 'the checker is not the person of the account that decided'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER approvals_approval_people BEFORE INSERT OR UPDATE ON approvals_approval
FOR EACH ROW EXECUTE FUNCTION q2c_approval_people();
"""
DROP = """
DROP TRIGGER IF EXISTS approvals_approval_people ON approvals_approval;
DROP FUNCTION IF EXISTS q2c_approval_people();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0001_initial"),
        ("users", "0001_initial"),
    ]

    operations = [migrations.RunSQL(CREATE, DROP)]
