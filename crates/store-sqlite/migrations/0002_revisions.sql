-- Tokens and tenants count their changes, as all other objects do.
ALTER TABLE tokens ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
ALTER TABLE tenants ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;

-- The revision of the object in a kept answer, for its ETag; absent where it has none.
ALTER TABLE idempotency ADD COLUMN revision INTEGER;
