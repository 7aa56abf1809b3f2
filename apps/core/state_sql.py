"""SQL behind state machines and append-only tables, made by the first ``events`` migration."""

STATE_CHANGED = """
CREATE FUNCTION q2c_state_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    legal text[] := string_to_array(TG_ARGV[0], ',');
    bad text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT n.state INTO bad FROM new_rows n WHERE NOT ('>' || n.state = ANY (legal)) LIMIT 1;
        IF bad IS NOT NULL THEN
            RAISE EXCEPTION 'a row of % may not start as %', TG_TABLE_NAME, bad
                USING ERRCODE = 'check_violation';
        END IF;
        INSERT INTO events_transition (table_name, row_id, from_state, to_state, actor, at)
        SELECT TG_TABLE_NAME, n.id::text, '', n.state,
               nullif(current_setting('q2c.actor', true), ''), clock_timestamp()
        FROM new_rows n;
        RETURN NULL;
    END IF;
    SELECT o.state || ' to ' || n.state INTO bad
    FROM old_rows o JOIN new_rows n USING (id)
    WHERE o.state <> n.state AND NOT (o.state || '>' || n.state = ANY (legal)) LIMIT 1;
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION '% may not go from %', TG_TABLE_NAME, bad
            USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO events_transition (table_name, row_id, from_state, to_state, actor, at)
    SELECT TG_TABLE_NAME, n.id::text, o.state, n.state,
           nullif(current_setting('q2c.actor', true), ''), clock_timestamp()
    FROM old_rows o JOIN new_rows n USING (id) WHERE o.state <> n.state;
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
