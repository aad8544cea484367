//! What must be true of whatever is in a file.

use std::path::Path;

use rusqlite::Connection;

/// Statements that find what must not be.
const VIOLATIONS: &[(&str, &str)] = &[
    (
        "a lead is due exactly while it is READY, with its own zone and rank",
        "SELECT lead_id FROM leads LEFT JOIN due USING (lead_id)
         WHERE (leads.status = 'READY') IS NOT (due.campaign_id IS NOT NULL)
            OR due.campaign_id <> leads.campaign_id OR due.rank <> leads.rank
            OR due.zone <> coalesce(leads.timezone, '') OR due.due_at < leads.not_before
         UNION ALL SELECT lead_id FROM due WHERE lead_id NOT IN (SELECT lead_id FROM leads)",
    ),
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
        "names and references repeat what the settings say",
        "SELECT campaign_id FROM campaigns
         WHERE name <> settings ->> 'name' OR line_id <> settings ->> 'tenant_voice_provider_id'
            OR pool_id IS NOT
               CASE settings ->> 'dialer_type' WHEN 'POOL' THEN settings ->> 'phone_number_pool_id' END",
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
    ("references hold", "SELECT * FROM pragma_foreign_key_check"),
    ("the file is whole", "SELECT * FROM pragma_integrity_check WHERE integrity_check <> 'ok'"),
];

/// Panics if anything in the file is not as it must be.
pub(crate) fn assert_none(file: &Path) {
    let connection = Connection::open(file).unwrap();
    for (promise, violations) in VIOLATIONS {
        let mut statement = connection.prepare(violations).unwrap();
        assert!(!statement.exists([]).unwrap(), "violated: {promise}");
    }
}
