-- Whose turn it is on a line is found in the index alone, however many of its campaigns are awake.
-- wake_at is at its end so that those that sleep are passed over without their rows.
CREATE INDEX campaigns_in_turn ON campaigns (tenant_id, line_id, pass, campaign_id, wake_at)
    WHERE wake_at IS NOT NULL;

-- As before, in a language whose plans sessions keep: every plan of calls asks for it.
CREATE OR REPLACE FUNCTION server_identity() RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN concat_ws('.',
        CASE WHEN has_function_privilege('pg_control_system()', 'EXECUTE')
             THEN (SELECT system_identifier FROM pg_control_system()) ELSE 0 END,
        CASE WHEN pg_is_in_recovery() THEN 0
             ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint END,
        (SELECT oid FROM pg_database WHERE datname = current_database()),
        'installation'::regclass::oid);
END $$;
