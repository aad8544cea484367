-- That the content of this file is being moved to another database, or was: at most one row.
CREATE TABLE relocation (
    only     INTEGER PRIMARY KEY CHECK (only = 1),
    -- Made for this move; the target carries it as well.
    move_id  TEXT NOT NULL,
    -- Where to, for people.
    target   TEXT NOT NULL,
    began_at INTEGER NOT NULL,
    -- When the target had everything. From then on this file is not served.
    moved_at INTEGER
) STRICT;
