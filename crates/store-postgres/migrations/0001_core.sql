-- Ids are positive 64-bit integers made by the application. Instants are microseconds since the
-- Unix epoch, in UTC. Nothing here reads the clock. The tenant leads every key.

CREATE TABLE meta (
    key   text PRIMARY KEY,
    value text NOT NULL
);

CREATE TABLE tenants (
    tenant_id     bigint PRIMARY KEY,
    name          text COLLATE "C" NOT NULL UNIQUE,
    -- Greatest sequence of the tenant's event feed. Whoever writes for the tenant locks this row
    -- first, so that the feed has no gaps and the tenant's writes have one order.
    last_sequence bigint NOT NULL DEFAULT 0,
    created_at    bigint NOT NULL,
    -- Numbers that test calls may go to, as JSON.
    test_call_numbers text NOT NULL DEFAULT '[]',
    revision      bigint NOT NULL DEFAULT 1
);

CREATE TABLE tokens (
    tenant_id  bigint NOT NULL REFERENCES tenants,
    token_id   bigint NOT NULL,
    name       text NOT NULL,
    scopes     text NOT NULL,
    enabled    boolean NOT NULL,
    hash       bytea NOT NULL UNIQUE,
    masked     text NOT NULL,
    expires_at bigint,
    revision   bigint NOT NULL DEFAULT 1,
    created_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, token_id)
);

CREATE TABLE idempotency (
    tenant_id   bigint NOT NULL,
    operation   text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    status      bigint NOT NULL,
    -- The revision of the object in a kept answer, for its ETag; absent where it has none.
    revision    bigint,
    body        bytea NOT NULL,
    expires_at  bigint NOT NULL,
    PRIMARY KEY (tenant_id, operation, key)
);
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

CREATE TABLE lines (
    tenant_id             bigint NOT NULL REFERENCES tenants,
    line_id               bigint NOT NULL,
    provider              text NOT NULL,
    name                  text NOT NULL,
    base_url              text,
    sealed_credentials    bytea NOT NULL,
    sealed_webhook_secret bytea NOT NULL,
    line_key              text COLLATE "C" NOT NULL UNIQUE,
    max_concurrent_calls  bigint NOT NULL,
    max_calls_per_second  bigint NOT NULL,
    revision              bigint NOT NULL,
    -- Counts changes of address and credentials: which account at the vendor is meant.
    account               bigint NOT NULL DEFAULT 0,
    -- Earliest instant of the next start: the line's calls per second (GCRA).
    next_start_at         bigint,
    virtual_time          bigint NOT NULL DEFAULT 0,
    failures              bigint NOT NULL DEFAULT 0,
    rests_until           bigint,
    rest_reason           text,
    -- When the planner must look at the line again; NULL: an event will say.
    wake_at               bigint,
    created_at            bigint NOT NULL,
    updated_at            bigint NOT NULL,
    PRIMARY KEY (tenant_id, line_id)
) WITH (fillfactor = 70);
-- Callers outside of a tenant (the dialer, callbacks) know the line's id alone.
CREATE UNIQUE INDEX lines_by_id ON lines (line_id);
CREATE INDEX lines_by_wake ON lines (wake_at) WHERE wake_at IS NOT NULL;

-- Caller numbers that rest (a provider's daily limit).
CREATE TABLE number_rests (
    tenant_id       bigint NOT NULL,
    line_id         bigint NOT NULL,
    phone_number_id text COLLATE "C" NOT NULL,
    rests_until     bigint NOT NULL,
    PRIMARY KEY (tenant_id, line_id, phone_number_id)
);

CREATE TABLE pools (
    tenant_id  bigint NOT NULL REFERENCES tenants,
    pool_id    bigint NOT NULL,
    line_id    bigint NOT NULL,
    name       text NOT NULL,
    strategy   text NOT NULL,
    revision   bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, pool_id),
    FOREIGN KEY (tenant_id, line_id) REFERENCES lines
);
CREATE INDEX pools_by_line ON pools (tenant_id, line_id);

CREATE TABLE pool_numbers (
    tenant_id            bigint NOT NULL,
    pool_id              bigint NOT NULL,
    position             bigint NOT NULL,
    phone_number_id      text COLLATE "C" NOT NULL,
    e164                 text,
    max_concurrent_calls bigint,
    enabled              boolean NOT NULL,
    -- Order of use over the pool: grows with each call, so that rotation survives restarts.
    last_used            bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, pool_id, phone_number_id),
    FOREIGN KEY (tenant_id, pool_id) REFERENCES pools ON DELETE CASCADE
) WITH (fillfactor = 70);

CREATE TABLE campaigns (
    tenant_id          bigint NOT NULL REFERENCES tenants,
    campaign_id        bigint NOT NULL,
    line_id            bigint NOT NULL,
    pool_id            bigint,
    kind               text NOT NULL,
    status             text NOT NULL,
    status_reason      text,
    name               text NOT NULL,
    settings           text NOT NULL,
    revision           bigint NOT NULL,
    unverified         boolean NOT NULL,
    next_start_at      bigint,
    pass               bigint NOT NULL DEFAULT 0,
    circuit_failures   bigint NOT NULL DEFAULT 0,
    circuit_open_until bigint,
    -- When the planner must look at the campaign again; NULL: an event will say, or not RUNNING.
    wake_at            bigint,
    created_at         bigint NOT NULL,
    updated_at         bigint NOT NULL,
    PRIMARY KEY (tenant_id, campaign_id),
    FOREIGN KEY (tenant_id, line_id) REFERENCES lines,
    FOREIGN KEY (tenant_id, pool_id) REFERENCES pools
) WITH (fillfactor = 70);
CREATE INDEX campaigns_by_wake ON campaigns (tenant_id, line_id, wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX campaigns_by_line ON campaigns (tenant_id, line_id);
CREATE INDEX campaigns_by_pool ON campaigns (tenant_id, pool_id) WHERE pool_id IS NOT NULL;
CREATE INDEX campaigns_running ON campaigns (tenant_id) WHERE status = 'RUNNING';

CREATE TABLE revisions (
    tenant_id   bigint NOT NULL,
    campaign_id bigint NOT NULL,
    revision    bigint NOT NULL,
    token_id    bigint,
    changes     text NOT NULL,
    created_at  bigint NOT NULL,
    PRIMARY KEY (tenant_id, campaign_id, revision)
);

-- Leads outlive the row of their campaign while they are deleted, so they do not refer to it.
CREATE TABLE leads (
    tenant_id       bigint NOT NULL,
    campaign_id     bigint NOT NULL,
    lead_id         bigint NOT NULL,
    phone           text COLLATE "C" NOT NULL,
    status          text COLLATE "C" NOT NULL,
    timezone        text,
    -- 10 minus the user's priority: smaller is more urgent.
    rank            bigint NOT NULL,
    not_before      bigint,
    attempts_made   bigint NOT NULL DEFAULT 0,
    last_outcome    text,
    last_attempt_at bigint,
    -- Attempts before this instant no longer count (mark_as_unanswered).
    requeued_at     bigint,
    first_name      text,
    last_name       text,
    email           text,
    custom_fields   text NOT NULL,
    revision        bigint NOT NULL,
    created_at      bigint NOT NULL,
    updated_at      bigint NOT NULL,
    PRIMARY KEY (tenant_id, campaign_id, lead_id)
) WITH (fillfactor = 85);
-- The dialer asks for what assistants shall know by the lead's id alone.
CREATE UNIQUE INDEX leads_by_id ON leads (lead_id);
CREATE UNIQUE INDEX leads_by_phone ON leads (tenant_id, phone, campaign_id);

-- Leads by status, kept by triggers so that no statement can forget it.
CREATE TABLE lead_counts (
    tenant_id   bigint NOT NULL,
    campaign_id bigint NOT NULL,
    status      text COLLATE "C" NOT NULL,
    leads       bigint NOT NULL,
    PRIMARY KEY (tenant_id, campaign_id, status)
) WITH (fillfactor = 50);

CREATE FUNCTION leads_counted_in() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lead_counts AS counted (tenant_id, campaign_id, status, leads)
    SELECT tenant_id, campaign_id, status, count(*) FROM added GROUP BY 1, 2, 3
    ON CONFLICT (tenant_id, campaign_id, status)
        DO UPDATE SET leads = counted.leads + excluded.leads;
    RETURN NULL;
END $$;
CREATE FUNCTION leads_counted_out() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE lead_counts SET leads = lead_counts.leads - gone.leads
    FROM (SELECT tenant_id, campaign_id, status, count(*) AS leads FROM removed GROUP BY 1, 2, 3) AS gone
    WHERE lead_counts.tenant_id = gone.tenant_id AND lead_counts.campaign_id = gone.campaign_id
      AND lead_counts.status = gone.status;
    RETURN NULL;
END $$;
CREATE FUNCTION leads_recounted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lead_counts AS counted (tenant_id, campaign_id, status, leads)
    SELECT tenant_id, campaign_id, status, sum(change)::bigint
    FROM (SELECT tenant_id, campaign_id, status, -1 AS change FROM before
          UNION ALL SELECT tenant_id, campaign_id, status, 1 FROM after) AS changes
    GROUP BY 1, 2, 3 HAVING sum(change) <> 0
    ON CONFLICT (tenant_id, campaign_id, status)
        DO UPDATE SET leads = counted.leads + excluded.leads;
    RETURN NULL;
END $$;
CREATE TRIGGER leads_counted_in AFTER INSERT ON leads
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION leads_counted_in();
CREATE TRIGGER leads_counted_out AFTER DELETE ON leads
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION leads_counted_out();
CREATE TRIGGER leads_recounted AFTER UPDATE ON leads
    REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION leads_recounted();

-- Only leads that could be scheduled. due_at is a hint for finding; the gate is the law.
CREATE TABLE due (
    tenant_id   bigint NOT NULL,
    campaign_id bigint NOT NULL,
    rank        bigint NOT NULL,
    -- Zone on whose clock the window is read; empty: the campaign's.
    zone        text COLLATE "C" NOT NULL,
    due_at      bigint NOT NULL,
    lead_id     bigint NOT NULL,
    PRIMARY KEY (tenant_id, campaign_id, rank, zone, due_at, lead_id)
);
CREATE UNIQUE INDEX due_by_lead ON due (tenant_id, lead_id);

CREATE TABLE suppressions (
    tenant_id      bigint NOT NULL,
    phone          text COLLATE "C" NOT NULL,
    suppression_id bigint NOT NULL,
    reason         text,
    source         text NOT NULL,
    expires_at     bigint,
    created_at     bigint NOT NULL,
    PRIMARY KEY (tenant_id, phone)
);
CREATE UNIQUE INDEX suppressions_by_id ON suppressions (tenant_id, suppression_id);

CREATE TABLE attempts (
    tenant_id        bigint NOT NULL,
    attempt_id       bigint NOT NULL,
    campaign_id      bigint NOT NULL,
    -- 0 for a test call, which has no lead.
    lead_id          bigint NOT NULL,
    line_id          bigint NOT NULL,
    -- The account of the line that was asked to place it.
    account          bigint NOT NULL,
    -- The node that reserved it and alone may send it; -1: a test call that a node which dials is to
    -- claim.
    node             bigint NOT NULL,
    -- Whether something narrowed before it was claimed: it is not sent.
    recalled         boolean NOT NULL DEFAULT false,
    attempt_number   bigint NOT NULL,
    phone            text COLLATE "C" NOT NULL,
    phone_number_id  text COLLATE "C" NOT NULL,
    assistant_id     text NOT NULL,
    entity           text NOT NULL,
    attempt_key      text COLLATE "C" NOT NULL,
    state            text COLLATE "C" NOT NULL,
    -- Whether the attempt holds its slot, its lead and its phone number.
    live             boolean NOT NULL,
    -- Whether it counts in the caps.
    counts           boolean NOT NULL,
    outcome          text,
    ended_reason     text,
    provider_call_id text COLLATE "C",
    control_url      text,
    revision         bigint NOT NULL,
    verdict          text NOT NULL,
    planned_at       bigint NOT NULL,
    send_not_after   bigint NOT NULL,
    unknown_at       bigint,
    placed_at        bigint,
    ringing_at       bigint,
    in_progress_at   bigint,
    ended_at         bigint,
    -- Latest instant at which the call can have been up: the gap counts from here.
    gap_from         bigint,
    probes           bigint NOT NULL DEFAULT 0,
    absent_at        bigint,
    -- Whether a complete look-up did not find an UNKNOWN attempt: it still holds its lead and its
    -- phone number, but no longer a slot of the line.
    missed           boolean NOT NULL DEFAULT false,
    check_at         bigint,
    PRIMARY KEY (tenant_id, attempt_id)
) WITH (fillfactor = 70);
-- Facts and look-ups name the attempt alone; also the last fence against two nodes that make the
-- same ids.
CREATE UNIQUE INDEX attempts_by_id ON attempts (attempt_id);
CREATE UNIQUE INDEX attempts_by_key ON attempts (attempt_key);
-- At most one live attempt per tenant and phone number, enforced by the database.
CREATE UNIQUE INDEX attempts_live_phone ON attempts (tenant_id, phone) WHERE live;
CREATE INDEX attempts_live_line ON attempts (tenant_id, line_id, campaign_id, phone_number_id)
    WHERE live AND NOT missed;
CREATE INDEX attempts_live_campaign ON attempts (tenant_id, campaign_id) WHERE live;
CREATE INDEX attempts_dispatching ON attempts (tenant_id, attempt_id)
    WHERE live AND state = 'DISPATCHING';
CREATE INDEX attempts_unclaimed ON attempts (tenant_id) WHERE live AND state = 'DISPATCHING' AND node = -1;
CREATE INDEX attempts_by_check ON attempts (check_at) WHERE check_at IS NOT NULL;
CREATE INDEX attempts_by_provider_call ON attempts (tenant_id, line_id, provider_call_id)
    WHERE provider_call_id IS NOT NULL;
CREATE INDEX attempts_by_phone ON attempts (tenant_id, campaign_id, phone, planned_at);
CREATE INDEX attempts_by_campaign ON attempts (tenant_id, campaign_id, attempt_id);

CREATE TABLE call_details (
    tenant_id       bigint NOT NULL,
    attempt_id      bigint NOT NULL,
    started_at      bigint,
    ended_at        bigint,
    cost_micro_usd  bigint,
    transcript      text,
    summary         text,
    recording_url   text,
    structured_data text,
    PRIMARY KEY (tenant_id, attempt_id)
);

CREATE TABLE events (
    tenant_id   bigint NOT NULL,
    sequence    bigint NOT NULL,
    type        text NOT NULL,
    campaign_id bigint,
    lead_id     bigint,
    attempt_id  bigint,
    data        text NOT NULL,
    created_at  bigint NOT NULL,
    PRIMARY KEY (tenant_id, sequence)
);

CREATE TABLE imports (
    tenant_id    bigint NOT NULL,
    import_id    bigint NOT NULL,
    campaign_id  bigint NOT NULL,
    token_id     bigint,
    on_duplicate text NOT NULL,
    total        bigint NOT NULL,
    processed    bigint NOT NULL DEFAULT 0,
    added        bigint NOT NULL DEFAULT 0,
    updated      bigint NOT NULL DEFAULT 0,
    skipped      bigint NOT NULL DEFAULT 0,
    rejected     bigint NOT NULL DEFAULT 0,
    -- An import that copies leads of a campaign: those that were there, in order of their ids.
    source_campaign_id bigint,
    copied_to    bigint NOT NULL DEFAULT 0,
    copies_up_to bigint NOT NULL DEFAULT 0,
    -- When it was last stepped, as a count: tenants take turns.
    turn         bigint NOT NULL DEFAULT 0,
    -- The last event of the tenant's feed when it was asked for: tells whether a removal was later.
    asked_after  bigint NOT NULL,
    created_at   bigint NOT NULL,
    finished_at  bigint,
    PRIMARY KEY (tenant_id, import_id)
) WITH (fillfactor = 70);
CREATE INDEX imports_unfinished ON imports (tenant_id, import_id) WHERE finished_at IS NULL;
CREATE INDEX imports_by_campaign ON imports (tenant_id, campaign_id, finished_at);
CREATE INDEX imports_copying ON imports (tenant_id, source_campaign_id)
    WHERE source_campaign_id IS NOT NULL AND finished_at IS NULL;

-- Queued leads, deleted as they are added.
CREATE TABLE import_rows (
    tenant_id bigint NOT NULL,
    import_id bigint NOT NULL,
    row       bigint NOT NULL,
    lead      text NOT NULL,
    PRIMARY KEY (tenant_id, import_id, row)
);

-- Leads that were removed while an import was still adding to their campaign: what was asked for
-- before the removal must not bring them back. Gone when no import is left.
CREATE TABLE import_removals (
    tenant_id   bigint NOT NULL,
    campaign_id bigint NOT NULL,
    phone       text COLLATE "C" NOT NULL,
    -- Of the event that told the removal.
    sequence    bigint NOT NULL,
    PRIMARY KEY (tenant_id, campaign_id, phone)
);

-- What is still to be deleted of objects that are gone for users: the leads of a campaign, the
-- queued leads of an import.
CREATE TABLE erasures (
    tenant_id  bigint NOT NULL,
    subject_id bigint NOT NULL,
    kind       text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, subject_id)
);

-- What tells a database that was restored or promoted, and what keeps the installation from dialing.
CREATE TABLE installation (
    the_only bigint PRIMARY KEY CHECK (the_only = 1),
    -- NULL until the first call is reserved.
    name     text,
    -- What server_identity() said at the first call, or at the last release.
    identity text,
    -- Greater than every id made before the last release: what is missing below was forgiven.
    passed   bigint NOT NULL DEFAULT 0
);
INSERT INTO installation (the_only) VALUES (1);

-- Which server this is, which branch of its history, and which copy of the database: the first
-- changes with a restore into another server, the second with a promotion or a recovery to a point
-- in time, the others with a dump that was read back. A server that shows less of itself tells less.
CREATE FUNCTION server_identity() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT concat_ws('.',
        CASE WHEN has_function_privilege('pg_control_system()', 'EXECUTE')
             THEN (SELECT system_identifier FROM pg_control_system()) ELSE 0 END,
        CASE WHEN pg_is_in_recovery() THEN 0
             ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint END,
        (SELECT oid FROM pg_database WHERE datname = current_database()),
        'installation'::regclass::oid)
$$;

CREATE TABLE holds (
    hold_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reason   text COLLATE "C" NOT NULL,
    detail   text NOT NULL,
    since    bigint NOT NULL,
    -- When a clock that is behind will have caught up.
    ends_at  bigint,
    ended_at bigint,
    ended_by text
);
CREATE UNIQUE INDEX holds_active ON holds (reason) WHERE ended_at IS NULL;

-- From the last thing the database remembered to the start of a process: what may be forgotten.
CREATE TABLE gaps (
    gap_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    from_at  bigint NOT NULL,
    until_at bigint NOT NULL
);

-- How far the provider of each line was asked, on hold.
CREATE TABLE held_lines (
    tenant_id  bigint NOT NULL,
    line_id    bigint NOT NULL,
    progress   text NOT NULL,
    calls_seen bigint NOT NULL DEFAULT 0,
    adopted    bigint NOT NULL DEFAULT 0,
    unmatched  bigint NOT NULL DEFAULT 0,
    note       text,
    updated_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, line_id)
);

-- Calls of this installation whose campaign or number the database does not have.
CREATE TABLE strange_calls (
    tenant_id        bigint NOT NULL,
    attempt_key      text COLLATE "C" NOT NULL,
    line_id          bigint NOT NULL,
    provider_call_id text NOT NULL,
    seen_at          bigint NOT NULL,
    PRIMARY KEY (tenant_id, attempt_key)
);
CREATE UNIQUE INDEX strange_calls_by_key ON strange_calls (attempt_key);
CREATE INDEX strange_calls_seen ON strange_calls (seen_at);

-- The second wall between tenants. Every transaction says for whom it works; a statement that
-- forgets its tenant then still sees that tenant's rows only. '*' is the server itself: the dialer
-- looking for due lines, a callback looking for its line, a token looking for its tenant. FORCE: the
-- owner of the tables is held to it too (a superuser never is: connect as an ordinary role).
DO $$
DECLARE
    walled text;
BEGIN
    FOREACH walled IN ARRAY ARRAY['tenants', 'tokens', 'idempotency', 'lines', 'number_rests', 'pools',
        'pool_numbers', 'campaigns', 'revisions', 'leads', 'lead_counts', 'due', 'suppressions',
        'attempts', 'call_details', 'events', 'imports', 'import_rows', 'import_removals', 'erasures',
        'held_lines', 'strange_calls']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
        -- Sub-selects, so that the setting is read once a statement and not once a row.
        EXECUTE format($policy$
            CREATE POLICY own_tenant ON %I
            USING ((SELECT current_setting('campanile.tenant', true)) = '*'
                   OR tenant_id = (SELECT CASE WHEN current_setting('campanile.tenant', true) ~ '^[0-9]+$'
                                           THEN current_setting('campanile.tenant', true)::bigint END))
            $policy$, walled);
    END LOOP;
END $$;
