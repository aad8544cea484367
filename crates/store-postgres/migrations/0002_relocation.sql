-- That the content of this database comes, or came, from a file of the embedded store: at most one
-- row. No process works with a database whose move has not ended.
CREATE TABLE relocation (
    the_only bigint PRIMARY KEY CHECK (the_only = 1),
    -- Made for this move; the source carries it as well.
    move_id  text NOT NULL,
    -- Where from, for people.
    source   text NOT NULL,
    began_at bigint NOT NULL,
    ended_at bigint
);

-- How far each table is, written with its rows.
CREATE TABLE relocation_progress (
    moved      text COLLATE "C" PRIMARY KEY,
    rows_moved bigint NOT NULL,
    -- Key of the last row, as JSON; NULL: there was none.
    last_key   text,
    whole      boolean NOT NULL
);
