-- A campaign is of one tenant. A server that does not know takes the two for independent, expects a row
-- or two wherever both are named, and reads a large campaign from end to end for one number of it.
CREATE STATISTICS leads_of_campaigns (dependencies, ndistinct) ON tenant_id, campaign_id FROM leads;
CREATE STATISTICS attempts_of_campaigns (dependencies, ndistinct) ON tenant_id, campaign_id FROM attempts;
CREATE STATISTICS due_of_campaigns (dependencies, ndistinct) ON tenant_id, campaign_id FROM due;
-- They are gathered here once; later it is autovacuum's work.
ANALYZE leads;
ANALYZE attempts;
ANALYZE due;
