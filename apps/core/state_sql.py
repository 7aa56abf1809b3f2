"""SQL behind state machines and append-only tables, made by the first ``events`` migration."""

STATE_CHANGED = """
CREATE OR REPLACE FUNCTION q2c_state_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
-- A plan made for one row is kept for a thousand, and nesting loops over those takes seconds.
SET enable_nestloop = off AS $$
DECLARE
    legal text[] := string_to_array(TG_ARGV[0], ',');
    who text := nullif(current_setting('q2c.actor', true), '');
    bad text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO events_transition (table_name, row_id, from_state, to_state, actor, at)
        SELECT TG_TABLE_NAME, n.id::text, '', n.state, who, clock_timestamp() FROM new_rows n;
        SELECT n.state INTO bad FROM (SELECT DISTINCT state FROM new_rows) n
        WHERE NOT ('>' || n.state = ANY (legal)) LIMIT 1;
        IF bad IS NOT NULL THEN
            RAISE EXCEPTION 'a row of % may not start as %', TG_TABLE_NAME, bad
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END IF;
    WITH changed AS MATERIALIZED (
        SELECT n.id, o.state AS before, n.state AS after
        FROM old_rows o JOIN new_rows n USING (id) WHERE o.state <> n.state
    ), logged AS (
        INSERT INTO events_transition (table_name, row_id, from_state, to_state, actor, at)
        SELECT TG_TABLE_NAME, c.id::text, c.before, c.after, who, clock_timestamp()
        FROM changed c
    )
    SELECT p.before || ' to ' || p.after INTO bad
    FROM (SELECT DISTINCT before, after FROM changed) p
    WHERE NOT (p.before || '>' || p.after = ANY (legal)) LIMIT 1;
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION '% may not go from %', TG_TABLE_NAME, bad
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
"""

REFUSE_CHANGE = """
CREATE FUNCTION q2c_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
"""

DROP = "DROP FUNCTION IF EXISTS q2c_state_changed(); DROP FUNCTION IF EXISTS q2c_refuse_change();"

ENSURE_PARTITIONS = """
CREATE FUNCTION q2c_ensure_partitions(parent text, size bigint) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    newest bigint;
    first bigint;
    made integer := 0;
BEGIN
    IF parent NOT IN ('events_event', 'connectors_exchange') THEN
        RAISE EXCEPTION '% is not a partitioned table of the hub', parent;
    END IF;
    EXECUTE format('SELECT coalesce(max(id), 0) FROM %I', parent) INTO newest;
    first := newest / size;
    FOR part IN first .. first + 1 LOOP
        IF to_regclass(format('%I', parent || '_p' || part)) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%s) TO (%s)',
                           parent || '_p' || part, parent, part * size, (part + 1) * size);
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'q2c_app') THEN
                EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %I FROM q2c_app',
                               parent || '_p' || part);
            END IF;
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;
"""
