//! What must be true of whatever a back end has stored, as statements that find what must not be. They are in the
//! part of SQL that the back ends share; each has more of its own.

/// A promise, and the statement that finds where it is broken.
pub const PROMISES: &[(&str, &str)] = &[
    (
        "counters are recounts",
        "SELECT campaign_id FROM lead_counts AS counted WHERE leads <>
             (SELECT count(*) FROM leads
              WHERE leads.campaign_id = counted.campaign_id AND leads.status = counted.status)
         UNION ALL SELECT campaign_id FROM leads
             WHERE (campaign_id, status) NOT IN (SELECT campaign_id, status FROM lead_counts)
               AND campaign_id NOT IN (SELECT subject_id FROM erasures)",
    ),
    (
        "sequences have no gaps",
        "SELECT tenant_id FROM tenants WHERE last_sequence <>
             (SELECT count(*) FROM events WHERE events.tenant_id = tenants.tenant_id)
         UNION ALL SELECT tenant_id FROM events GROUP BY tenant_id
             HAVING min(sequence) <> 1 OR max(sequence) <> count(*)",
    ),
    (
        "each revision is on record",
        "SELECT campaign_id FROM campaigns WHERE revision <>
             (SELECT count(*) FROM revisions WHERE revisions.campaign_id = campaigns.campaign_id)
         UNION ALL SELECT campaign_id FROM revisions GROUP BY campaign_id
             HAVING min(revision) <> 1 OR max(revision) <> count(*)",
    ),
    (
        "only a RUNNING campaign wakes and has a reason",
        "SELECT campaign_id FROM campaigns
         WHERE status <> 'RUNNING' AND (wake_at IS NOT NULL OR status_reason IS NOT NULL)
            OR status = 'RUNNING' AND status_reason IS NULL",
    ),
    (
        "a waiting lead is not on the do-not-call list",
        "SELECT lead_id FROM leads JOIN suppressions USING (tenant_id, phone)
         WHERE status = 'READY' AND campaign_id NOT IN (SELECT subject_id FROM erasures)",
    ),
    (
        "finished imports have nothing queued, unfinished ones have",
        "SELECT import_id FROM imports WHERE (finished_at IS NULL) <>
             (copied_to < copies_up_to
              OR EXISTS (SELECT 1 FROM import_rows WHERE import_rows.import_id = imports.import_id))
            OR finished_at IS NOT NULL AND processed <> total",
    ),
    (
        "what belongs to no campaign or import is being deleted",
        "SELECT lead_id FROM leads WHERE campaign_id NOT IN (SELECT campaign_id FROM campaigns)
             AND campaign_id NOT IN (SELECT subject_id FROM erasures)
         UNION ALL SELECT import_id FROM import_rows WHERE import_id NOT IN (SELECT import_id FROM imports)
             AND import_id NOT IN (SELECT subject_id FROM erasures)
         UNION ALL SELECT campaign_id FROM lead_counts
             WHERE campaign_id NOT IN (SELECT campaign_id FROM campaigns)
         UNION ALL SELECT campaign_id FROM imports
             WHERE campaign_id NOT IN (SELECT campaign_id FROM campaigns)",
    ),
];
