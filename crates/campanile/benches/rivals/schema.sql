-- The tables of every rival. Rows that change often keep room in their page, so that updates of
-- columns without an index need no new index entries.
CREATE TABLE campaigns (
    id bigint PRIMARY KEY,
    status text NOT NULL
);
CREATE TABLE leads (
    id bigint PRIMARY KEY,
    campaign_id bigint NOT NULL REFERENCES campaigns (id),
    phone_number text NOT NULL,
    first_name text NOT NULL,
    opted_out boolean NOT NULL DEFAULT false,
    status text NOT NULL DEFAULT 'READY'
) WITH (fillfactor = 60);
CREATE INDEX leads_ready ON leads (id) WHERE status = 'READY';
-- One attempt a lead: a job that is delivered twice cannot call twice.
CREATE TABLE attempts (
    lead_id bigint PRIMARY KEY REFERENCES leads (id),
    status text NOT NULL,
    progress smallint NOT NULL DEFAULT 0,
    provider_call_id text,
    ended_reason text,
    cost double precision,
    transcript text,
    summary text
) WITH (fillfactor = 40);
