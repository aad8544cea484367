//! What must be true of whatever is in a file.

use std::path::Path;

use rusqlite::Connection;
use store::conformance::promises::PROMISES;

/// Promises of this back end beside those of all: what it says in a way of its own.
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
        "names and references repeat what the settings say",
        "SELECT campaign_id FROM campaigns
         WHERE name <> settings ->> 'name' OR line_id <> settings ->> 'tenant_voice_provider_id'
            OR pool_id IS NOT
               CASE settings ->> 'dialer_type' WHEN 'POOL' THEN settings ->> 'phone_number_pool_id' END",
    ),
    ("references hold", "SELECT * FROM pragma_foreign_key_check"),
    ("the file is whole", "SELECT * FROM pragma_integrity_check WHERE integrity_check <> 'ok'"),
];

/// Panics if anything in the file is not as it must be.
pub(crate) fn assert_none(file: &Path) {
    let connection = Connection::open(file).unwrap();
    for (promise, violations) in PROMISES.iter().chain(VIOLATIONS) {
        let mut statement = connection.prepare(violations).unwrap();
        assert!(!statement.exists([]).unwrap(), "violated: {promise}");
    }
}
