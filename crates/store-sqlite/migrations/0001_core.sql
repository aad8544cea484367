-- Ids are positive 64-bit integers made by the application. Instants are microseconds since the
-- Unix epoch, in UTC. Nothing here reads the clock.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tenants (
    tenant_id     INTEGER PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    -- Greatest sequence of the tenant's event feed.
    last_sequence INTEGER NOT NULL DEFAULT 0,
    created_at    INTEGER NOT NULL,
    -- Numbers that test calls may go to, as JSON.
    test_call_numbers TEXT NOT NULL DEFAULT '[]'
) STRICT;

CREATE TABLE tokens (
    token_id   INTEGER PRIMARY KEY,
    tenant_id  INTEGER NOT NULL REFERENCES tenants,
    name       TEXT NOT NULL,
    scopes     TEXT NOT NULL,
    enabled    INTEGER NOT NULL,
    hash       BLOB NOT NULL UNIQUE,
    masked     TEXT NOT NULL,
    expires_at INTEGER,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX tokens_by_tenant ON tokens (tenant_id, token_id);

CREATE TABLE idempotency (
    tenant_id   INTEGER NOT NULL,
    operation   TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    status      INTEGER NOT NULL,
    body        BLOB NOT NULL,
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, operation, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

CREATE TABLE lines (
    line_id               INTEGER PRIMARY KEY,
    tenant_id             INTEGER NOT NULL REFERENCES tenants,
    provider              TEXT NOT NULL,
    name                  TEXT NOT NULL,
    base_url              TEXT,
    sealed_credentials    BLOB NOT NULL,
    sealed_webhook_secret BLOB NOT NULL,
    line_key              TEXT NOT NULL UNIQUE,
    max_concurrent_calls  INTEGER NOT NULL,
    max_calls_per_second  INTEGER NOT NULL,
    revision              INTEGER NOT NULL,
    -- Counts changes of address and credentials: which account at the vendor is meant.
    account               INTEGER NOT NULL DEFAULT 0,
    -- Earliest instant of the next start: the line's calls per second (GCRA).
    next_start_at         INTEGER,
    virtual_time          INTEGER NOT NULL DEFAULT 0,
    failures              INTEGER NOT NULL DEFAULT 0,
    rests_until           INTEGER,
    rest_reason           TEXT,
    -- When the planner must look at the line again; NULL: an event will say.
    wake_at               INTEGER,
    created_at            INTEGER NOT NULL,
    updated_at            INTEGER NOT NULL
) STRICT;
CREATE INDEX lines_by_tenant ON lines (tenant_id, line_id);
CREATE INDEX lines_by_wake ON lines (wake_at) WHERE wake_at IS NOT NULL;

-- Caller numbers that rest (a provider's daily limit).
CREATE TABLE number_rests (
    line_id         INTEGER NOT NULL,
    phone_number_id TEXT NOT NULL,
    rests_until     INTEGER NOT NULL,
    PRIMARY KEY (line_id, phone_number_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE pools (
    pool_id    INTEGER PRIMARY KEY,
    tenant_id  INTEGER NOT NULL REFERENCES tenants,
    line_id    INTEGER NOT NULL REFERENCES lines,
    name       TEXT NOT NULL,
    strategy   TEXT NOT NULL,
    revision   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX pools_by_tenant ON pools (tenant_id, pool_id);
CREATE INDEX pools_by_line ON pools (line_id);

CREATE TABLE pool_numbers (
    pool_id              INTEGER NOT NULL REFERENCES pools ON DELETE CASCADE,
    position             INTEGER NOT NULL,
    phone_number_id      TEXT NOT NULL,
    e164                 TEXT,
    max_concurrent_calls INTEGER,
    enabled              INTEGER NOT NULL,
    -- Order of use over the pool: grows with each call, so that rotation survives restarts.
    last_used            INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (pool_id, phone_number_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE campaigns (
    campaign_id        INTEGER PRIMARY KEY,
    tenant_id          INTEGER NOT NULL REFERENCES tenants,
    line_id            INTEGER NOT NULL REFERENCES lines,
    pool_id            INTEGER REFERENCES pools,
    kind               TEXT NOT NULL,
    status             TEXT NOT NULL,
    status_reason      TEXT,
    name               TEXT NOT NULL,
    settings           TEXT NOT NULL,
    revision           INTEGER NOT NULL,
    unverified         INTEGER NOT NULL,
    next_start_at      INTEGER,
    pass               INTEGER NOT NULL DEFAULT 0,
    circuit_failures   INTEGER NOT NULL DEFAULT 0,
    circuit_open_until INTEGER,
    -- When the planner must look at the campaign again; NULL: an event will say, or not RUNNING.
    wake_at            INTEGER,
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL
) STRICT;
CREATE INDEX campaigns_by_tenant ON campaigns (tenant_id, campaign_id);
CREATE INDEX campaigns_by_wake ON campaigns (line_id, wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX campaigns_by_pool ON campaigns (pool_id) WHERE pool_id IS NOT NULL;
CREATE INDEX campaigns_running ON campaigns (line_id) WHERE status = 'RUNNING';

CREATE TABLE revisions (
    campaign_id INTEGER NOT NULL,
    revision    INTEGER NOT NULL,
    tenant_id   INTEGER NOT NULL,
    token_id    INTEGER,
    changes     TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (campaign_id, revision)
) STRICT, WITHOUT ROWID;

CREATE TABLE leads (
    lead_id         INTEGER PRIMARY KEY,
    campaign_id     INTEGER NOT NULL REFERENCES campaigns,
    tenant_id       INTEGER NOT NULL,
    phone           TEXT NOT NULL,
    status          TEXT NOT NULL,
    timezone        TEXT,
    -- 10 minus the user's priority: smaller is more urgent.
    rank            INTEGER NOT NULL,
    not_before      INTEGER,
    attempts_made   INTEGER NOT NULL DEFAULT 0,
    last_outcome    TEXT,
    last_attempt_at INTEGER,
    -- Attempts before this instant no longer count (mark_as_unanswered).
    requeued_at     INTEGER,
    first_name      TEXT,
    last_name       TEXT,
    email           TEXT,
    custom_fields   TEXT NOT NULL,
    revision        INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    UNIQUE (campaign_id, phone)
) STRICT;
CREATE INDEX leads_by_campaign ON leads (campaign_id, lead_id);
CREATE INDEX leads_by_phone ON leads (tenant_id, phone);

-- Leads by status, kept by triggers so that no statement can forget it.
CREATE TABLE lead_counts (
    campaign_id INTEGER NOT NULL,
    status      TEXT NOT NULL,
    leads       INTEGER NOT NULL,
    PRIMARY KEY (campaign_id, status)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER leads_counted_in AFTER INSERT ON leads BEGIN
    INSERT INTO lead_counts VALUES (new.campaign_id, new.status, 1)
    ON CONFLICT DO UPDATE SET leads = leads + 1;
END;
CREATE TRIGGER leads_counted_out AFTER DELETE ON leads BEGIN
    UPDATE lead_counts SET leads = leads - 1
    WHERE campaign_id = old.campaign_id AND status = old.status;
END;
CREATE TRIGGER leads_recounted AFTER UPDATE OF status ON leads WHEN old.status <> new.status BEGIN
    UPDATE lead_counts SET leads = leads - 1
    WHERE campaign_id = old.campaign_id AND status = old.status;
    INSERT INTO lead_counts VALUES (new.campaign_id, new.status, 1)
    ON CONFLICT DO UPDATE SET leads = leads + 1;
END;

-- Only leads that could be scheduled. due_at is a hint for finding; the gate is the law.
CREATE TABLE due (
    campaign_id INTEGER NOT NULL,
    rank        INTEGER NOT NULL,
    -- Zone on whose clock the window is read; empty: the campaign's.
    zone        TEXT NOT NULL,
    due_at      INTEGER NOT NULL,
    lead_id     INTEGER NOT NULL,
    PRIMARY KEY (campaign_id, rank, zone, due_at, lead_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX due_by_lead ON due (lead_id);

CREATE TABLE suppressions (
    tenant_id      INTEGER NOT NULL,
    phone          TEXT NOT NULL,
    suppression_id INTEGER NOT NULL UNIQUE,
    reason         TEXT,
    source         TEXT NOT NULL,
    expires_at     INTEGER,
    created_at     INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, phone)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempts (
    attempt_id       INTEGER PRIMARY KEY,
    tenant_id        INTEGER NOT NULL,
    campaign_id      INTEGER NOT NULL,
    -- 0 for a test call, which has no lead.
    lead_id          INTEGER NOT NULL,
    line_id          INTEGER NOT NULL,
    -- The account of the line that was asked to place it.
    account          INTEGER NOT NULL,
    attempt_number   INTEGER NOT NULL,
    phone            TEXT NOT NULL,
    phone_number_id  TEXT NOT NULL,
    assistant_id     TEXT NOT NULL,
    entity           TEXT NOT NULL,
    attempt_key      TEXT NOT NULL UNIQUE,
    state            TEXT NOT NULL,
    -- 1 while the attempt holds its slot, its lead and its phone number.
    live             INTEGER NOT NULL,
    -- 1 while it counts in the caps.
    counts           INTEGER NOT NULL,
    outcome          TEXT,
    ended_reason     TEXT,
    provider_call_id TEXT,
    control_url      TEXT,
    revision         INTEGER NOT NULL,
    verdict          TEXT NOT NULL,
    planned_at       INTEGER NOT NULL,
    send_not_after   INTEGER NOT NULL,
    unknown_at       INTEGER,
    placed_at        INTEGER,
    ringing_at       INTEGER,
    in_progress_at   INTEGER,
    ended_at         INTEGER,
    -- Latest instant at which the call can have been up: the gap counts from here.
    gap_from         INTEGER,
    probes           INTEGER NOT NULL DEFAULT 0,
    absent_at        INTEGER,
    -- 1 when a complete look-up did not find an UNKNOWN attempt: it still holds its lead and its
    -- phone number, but no longer a slot of the line.
    missed           INTEGER NOT NULL DEFAULT 0,
    check_at         INTEGER
) STRICT;
-- At most one live attempt per tenant and phone number, enforced by the database.
CREATE UNIQUE INDEX attempts_live_phone ON attempts (tenant_id, phone) WHERE live = 1;
CREATE INDEX attempts_live_line ON attempts (line_id, campaign_id, phone_number_id)
    WHERE live = 1 AND missed = 0;
CREATE INDEX attempts_live_campaign ON attempts (campaign_id) WHERE live = 1;
CREATE INDEX attempts_by_check ON attempts (check_at) WHERE check_at IS NOT NULL;
CREATE INDEX attempts_by_provider_call ON attempts (line_id, provider_call_id)
    WHERE provider_call_id IS NOT NULL;
CREATE INDEX attempts_by_phone ON attempts (campaign_id, phone, planned_at);
CREATE INDEX attempts_by_tenant ON attempts (tenant_id, attempt_id);
CREATE INDEX attempts_by_campaign ON attempts (campaign_id, attempt_id);

CREATE TABLE call_details (
    attempt_id      INTEGER PRIMARY KEY,
    started_at      INTEGER,
    ended_at        INTEGER,
    cost_micro_usd  INTEGER,
    transcript      TEXT,
    summary         TEXT,
    recording_url   TEXT,
    structured_data TEXT
) STRICT;

CREATE TABLE events (
    tenant_id   INTEGER NOT NULL,
    sequence    INTEGER NOT NULL,
    type        TEXT NOT NULL,
    campaign_id INTEGER,
    lead_id     INTEGER,
    attempt_id  INTEGER,
    data        TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE imports (
    import_id    INTEGER PRIMARY KEY,
    tenant_id    INTEGER NOT NULL,
    campaign_id  INTEGER NOT NULL,
    token_id     INTEGER,
    on_duplicate TEXT NOT NULL,
    total        INTEGER NOT NULL,
    processed    INTEGER NOT NULL DEFAULT 0,
    added        INTEGER NOT NULL DEFAULT 0,
    updated      INTEGER NOT NULL DEFAULT 0,
    skipped      INTEGER NOT NULL DEFAULT 0,
    rejected     INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL,
    finished_at  INTEGER
) STRICT;
CREATE INDEX imports_unfinished ON imports (import_id) WHERE finished_at IS NULL;

-- Queued leads, deleted as they are added.
CREATE TABLE import_rows (
    import_id INTEGER NOT NULL,
    row       INTEGER NOT NULL,
    lead      TEXT NOT NULL,
    PRIMARY KEY (import_id, row)
) STRICT, WITHOUT ROWID;
