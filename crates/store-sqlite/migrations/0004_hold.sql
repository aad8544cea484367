-- What tells a database that was copied back, and what keeps the installation from dialing.

-- Empty until the first call is reserved.
CREATE TABLE installation (
    only      INTEGER PRIMARY KEY CHECK (only = 1),
    name      TEXT NOT NULL,
    -- Moves with every tick that hands out calls; a copy of it is in the file beside the database.
    marker    INTEGER NOT NULL,
    marked_at INTEGER NOT NULL
) STRICT;

CREATE TABLE holds (
    hold_id  INTEGER PRIMARY KEY,
    reason   TEXT NOT NULL,
    detail   TEXT NOT NULL,
    since    INTEGER NOT NULL,
    -- When a clock that is behind will have caught up.
    ends_at  INTEGER,
    ended_at INTEGER,
    ended_by TEXT
) STRICT;
CREATE UNIQUE INDEX holds_active ON holds (reason) WHERE ended_at IS NULL;

-- From the last thing the database remembered to the start of a process: what may be forgotten.
CREATE TABLE gaps (
    gap_id   INTEGER PRIMARY KEY,
    from_at  INTEGER NOT NULL,
    until_at INTEGER NOT NULL
) STRICT;

-- How far the provider of each line was asked, on hold.
CREATE TABLE held_lines (
    line_id    INTEGER PRIMARY KEY,
    progress   TEXT NOT NULL,
    calls_seen INTEGER NOT NULL DEFAULT 0,
    adopted    INTEGER NOT NULL DEFAULT 0,
    unmatched  INTEGER NOT NULL DEFAULT 0,
    note       TEXT,
    updated_at INTEGER NOT NULL
) STRICT;

-- Calls of this installation whose campaign or number the database does not have.
CREATE TABLE strange_calls (
    attempt_key      TEXT PRIMARY KEY,
    line_id          INTEGER NOT NULL,
    provider_call_id TEXT NOT NULL,
    seen_at          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX strange_calls_seen ON strange_calls (seen_at);
