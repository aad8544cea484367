-- Whose turn it is on a line is found in the index alone, whatever the settings of the campaigns
-- that wait weigh.
DROP INDEX campaigns_by_wake;
CREATE INDEX campaigns_by_wake ON campaigns (line_id, wake_at, pass, status)
    WHERE wake_at IS NOT NULL AND status = 'RUNNING';
