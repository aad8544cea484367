-- An installation of some size: 200 tenants, 2,000 campaigns, 50,000 leads, 75,000 calls; among these
-- campaigns a large one of 40,000 leads more, each called once; and a line with 3,000 campaigns more. A few
-- things are always under way: 3,300 calls that are up, 67 of them being sent; 20 bulk additions.
INSERT INTO tenants (tenant_id, name, created_at) SELECT i, 'tenant ' || i, i FROM generate_series(1, 200) AS i;
INSERT INTO tokens (tenant_id, token_id, name, scopes, enabled, hash, masked, created_at)
SELECT 1 + i % 200, i, 'token', '[]', true, sha256(i::text::bytea), 'cmp_', i FROM generate_series(1, 2000) AS i;
INSERT INTO idempotency SELECT 1 + i % 200, 'leads.add', 'key ' || i, 'x', 201, 1, '{}', i FROM generate_series(1, 20000) AS i;
INSERT INTO lines (tenant_id, line_id, provider, name, sealed_credentials, sealed_webhook_secret, line_key,
    max_concurrent_calls, max_calls_per_second, revision, wake_at, created_at, updated_at)
SELECT 1 + i % 200, i, 'SANDBOX', 'line', '', '', 'line ' || i, 10, 1, 1, CASE WHEN i % 4 = 0 THEN i END, i, i
FROM generate_series(1, 2000) AS i;
INSERT INTO number_rests SELECT 1 + i % 200, i, 'number ' || i, i FROM generate_series(1, 2000) AS i;
INSERT INTO pools SELECT 1 + i % 200, i, i, 'pool', 'ROUND_ROBIN', 1, i, i FROM generate_series(1, 2000) AS i;
INSERT INTO pool_numbers (tenant_id, pool_id, position, phone_number_id, enabled)
SELECT 1 + i % 200, i, place, 'number ' || place, true FROM generate_series(1, 2000) AS i, generate_series(1, 5) AS place;
INSERT INTO campaigns (tenant_id, campaign_id, line_id, pool_id, kind, status, status_reason, name, settings, revision,
    unverified, wake_at, created_at, updated_at)
SELECT 1 + i % 200, i, i, CASE WHEN i % 2 = 0 THEN i END, 'OUTBOUND', CASE WHEN i % 4 = 0 THEN 'RUNNING' ELSE 'DRAFT' END,
    CASE WHEN i % 4 = 0 THEN 'DIALING' END, 'campaign ' || i, '{}', 1, false, CASE WHEN i % 4 = 0 THEN i END, i, i
FROM generate_series(1, 2000) AS i;
INSERT INTO campaigns (tenant_id, campaign_id, line_id, kind, status, status_reason, name, settings, revision,
    unverified, pass, wake_at, created_at, updated_at)
SELECT 9, 10000 + i, 8, 'OUTBOUND', 'RUNNING', 'DIALING', 'campaign ' || i, '{}', 1, false, i, i, i, i
FROM generate_series(1, 3000) AS i;
INSERT INTO revisions SELECT 1 + i % 200, i, revision, i, '{}', i FROM generate_series(1, 2000) AS i, generate_series(1, 10) AS revision;

-- Campaign `i % 2000 + 1` of its tenant: `campaign_id % 200 + 1`.
INSERT INTO leads (tenant_id, campaign_id, lead_id, phone, status, timezone, rank, custom_fields, revision, created_at, updated_at)
SELECT 1 + (1 + i % 2000) % 200, 1 + i % 2000, i, '+1415' || (5550000000 + i), CASE WHEN i % 2 = 0 THEN 'READY' ELSE 'COMPLETED' END,
    CASE WHEN i % 3 = 0 THEN 'Europe/Berlin' END, i % 5, '{}', 1, i, i
FROM generate_series(1, 50000) AS i;
INSERT INTO due SELECT tenant_id, campaign_id, rank, coalesce(timezone, ''), lead_id, lead_id FROM leads WHERE status = 'READY';
INSERT INTO suppressions SELECT 1 + i % 200, '+1415' || (5550000000 + i), i, NULL, 'API', NULL, i FROM generate_series(1, 20000) AS i;
INSERT INTO attempts (tenant_id, attempt_id, campaign_id, lead_id, line_id, account, node, attempt_number, phone, phone_number_id,
    assistant_id, entity, attempt_key, state, live, counts, provider_call_id, revision, verdict, planned_at, send_not_after,
    ended_at, check_at)
SELECT leads.tenant_id, call, campaign_id, lead_id, campaign_id, 0, call % 3, 1 + call / 50000, phone, 'number ' || call % 5,
    'assistant', 'ASSISTANT', 'key ' || call, CASE WHEN call % 750 = 0 THEN 'DISPATCHING' WHEN call % 15 = 0 THEN 'PLACED' ELSE 'ENDED' END,
    call % 15 = 0 AND call <= 50000, true, CASE WHEN call % 750 <> 0 THEN 'call ' || call END, 1, '{}', call, call + 2,
    CASE WHEN call % 15 <> 0 THEN call + 60 END, CASE WHEN call % 15 = 0 THEN call + 60 END
FROM generate_series(1, 75000) AS call JOIN leads ON lead_id = 1 + call % 50000;
INSERT INTO call_details (tenant_id, attempt_id, transcript) SELECT tenant_id, attempt_id, 'Hello.' FROM attempts WHERE attempt_id % 2 = 0;
INSERT INTO events SELECT 1 + i % 200, 1 + i / 200, 'call.updated', 1 + i % 2000, i % 50000, i % 75000, '{}', i FROM generate_series(0, 99999) AS i;

INSERT INTO imports (tenant_id, import_id, campaign_id, on_duplicate, total, source_campaign_id, asked_after, created_at, finished_at)
SELECT 1 + i % 200, i, i, 'SKIP', 1000, CASE WHEN i % 200 = 0 THEN i END, 0, i, CASE WHEN i % 100 <> 0 THEN i END
FROM generate_series(1, 2000) AS i;
INSERT INTO import_rows SELECT 1 + i % 200, i, row, '{}' FROM generate_series(100, 2000, 100) AS i, generate_series(1, 1000) AS row;
INSERT INTO import_removals SELECT 1 + i % 200, i, '+1415' || (5550000000 + row), 1
FROM generate_series(100, 2000, 100) AS i, generate_series(1, 500) AS row;
INSERT INTO erasures SELECT 1 + i % 200, 10000 + i, 'CAMPAIGN', i FROM generate_series(1, 20) AS i;
INSERT INTO gaps (from_at, until_at) SELECT i, i + 1 FROM generate_series(1, 20) AS i;
INSERT INTO holds (reason, detail, since, ended_at) SELECT 'CLOCK', '', i, i + 1 FROM generate_series(1, 20) AS i;
INSERT INTO held_lines (tenant_id, line_id, progress, updated_at) SELECT tenant_id, line_id, 'DONE', 0 FROM lines;
INSERT INTO strange_calls SELECT 1 + i % 200, 'strange ' || i, i, 'call', i FROM generate_series(1, 5000) AS i;
INSERT INTO leads (tenant_id, campaign_id, lead_id, phone, status, rank, custom_fields, revision, created_at, updated_at)
SELECT 8, 7, 1000000 + i, '+1425' || (5550000000 + i), 'COMPLETED', 0, '{}', 1, i, i FROM generate_series(1, 40000) AS i;
INSERT INTO attempts (tenant_id, attempt_id, campaign_id, lead_id, line_id, account, node, attempt_number, phone, phone_number_id,
    assistant_id, entity, attempt_key, state, live, counts, provider_call_id, revision, verdict, planned_at, send_not_after, ended_at)
SELECT 8, 1000000 + i, 7, 1000000 + i, 7, 0, 0, 1, '+1425' || (5550000000 + i), 'number 1', 'assistant', 'ASSISTANT', 'large ' || i,
    'ENDED', false, true, 'large ' || i, 1, '{}', i, i + 2, i + 60
FROM generate_series(1, 40000) AS i;
ANALYZE;
