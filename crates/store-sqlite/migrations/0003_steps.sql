-- Copying and deleting leads happens in bounded steps.

-- Leads outlive the row of their campaign while they are deleted, so they no longer refer to it.
CREATE TABLE leads_without_reference (
    lead_id         INTEGER PRIMARY KEY,
    campaign_id     INTEGER NOT NULL,
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
INSERT INTO leads_without_reference
    SELECT lead_id, campaign_id, tenant_id, phone, status, timezone, rank, not_before, attempts_made,
           last_outcome, last_attempt_at, requeued_at, first_name, last_name, email, custom_fields,
           revision, created_at, updated_at
    FROM leads;
DROP TABLE leads;
ALTER TABLE leads_without_reference RENAME TO leads;
CREATE INDEX leads_by_campaign ON leads (campaign_id, lead_id);
CREATE INDEX leads_by_phone ON leads (tenant_id, phone);

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

-- What is still to be deleted of objects that are gone for users: the leads of a campaign, the
-- queued leads of an import.
CREATE TABLE erasures (
    subject_id INTEGER PRIMARY KEY,
    kind       TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- Leads that were removed while an import was still adding to their campaign: what was asked for
-- before the removal must not bring them back. Gone when no import is left.
CREATE TABLE import_removals (
    campaign_id INTEGER NOT NULL,
    phone       TEXT NOT NULL,
    removal_id  INTEGER NOT NULL,
    PRIMARY KEY (campaign_id, phone)
) STRICT, WITHOUT ROWID;

-- An import that copies leads of a campaign: those that were there, in order of their ids.
ALTER TABLE imports ADD COLUMN source_campaign_id INTEGER;
ALTER TABLE imports ADD COLUMN copied_to INTEGER NOT NULL DEFAULT 0;
ALTER TABLE imports ADD COLUMN copies_up_to INTEGER NOT NULL DEFAULT 0;
-- When it was last stepped, as a count: tenants take turns.
ALTER TABLE imports ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
DROP INDEX imports_unfinished;
CREATE INDEX imports_unfinished ON imports (tenant_id, import_id) WHERE finished_at IS NULL;
CREATE INDEX imports_by_campaign ON imports (campaign_id, finished_at);
CREATE INDEX imports_copying ON imports (source_campaign_id)
    WHERE source_campaign_id IS NOT NULL AND finished_at IS NULL;
