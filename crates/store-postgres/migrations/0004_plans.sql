-- Whose turn it is on a line is found in the order of an index, however many of its campaigns are
-- awake. wake_at is at its end so that those that sleep are passed over without their rows.
CREATE INDEX campaigns_in_turn ON campaigns (tenant_id, line_id, pass, campaign_id, wake_at)
    WHERE wake_at IS NOT NULL;

-- As before, in a language whose plans sessions keep: every plan of calls asks for it. What a role may
-- not ask for is not asked: in one statement the server checks that before it decides anything.
CREATE OR REPLACE FUNCTION server_identity() RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    system bigint := 0;
    timeline bigint := 0;
BEGIN
    IF has_function_privilege('pg_control_system()', 'EXECUTE') THEN
        system := (SELECT system_identifier FROM pg_control_system());
    END IF;
    IF NOT pg_is_in_recovery() THEN
        timeline := ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint;
    END IF;
    RETURN concat_ws('.', system, timeline,
        (SELECT oid FROM pg_database WHERE datname = current_database()),
        'installation'::regclass::oid);
END $$;
