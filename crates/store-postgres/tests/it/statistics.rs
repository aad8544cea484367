//! Tables that have outgrown what the server knows of them.

use std::time::Duration;

use postgres_cluster::ROLE;
use store::Store as _;
use store::conformance::Bench;
use store::conformance::fixture::later;
use tokio::task::JoinSet;

use crate::bench::PostgresBench;

/// Far longer than it takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn pages(bench: &PostgresBench, table: &str) -> i64 {
    let sql = format!("SELECT relpages FROM pg_class WHERE oid = '{table}'::regclass");
    bench.admin(&sql).parse().unwrap()
}

#[tokio::test]
async fn a_table_that_has_grown_is_looked_at_again_by_who_owns_it() {
    let bench = PostgresBench::open();
    // Somebody else's, and nothing but this test gathers anything.
    bench.admin("VACUUM ANALYZE leads");
    bench.admin(&format!(
        "ALTER TABLE leads SET (autovacuum_enabled = off);
         ALTER TABLE suppressions SET (autovacuum_enabled = off);
         ALTER TABLE suppressions OWNER TO CURRENT_USER;
         GRANT ALL ON suppressions TO {ROLE}"
    ));
    assert_eq!(pages(&bench, "leads"), 0, "it is known to be empty");
    bench.admin(
        "INSERT INTO suppressions SELECT 1, '+1415' || n, n, NULL, 'API', NULL, n FROM generate_series(1, 5000) AS n;
         INSERT INTO leads (tenant_id, campaign_id, lead_id, phone, status, rank, custom_fields, revision, created_at, updated_at)
         SELECT 1, 1, n, '+1415' || n, 'COMPLETED', 5, '{}', 1, n, n FROM generate_series(1, 5000) AS n",
    );
    let node = std::sync::Arc::new(bench.other_node());
    let mut beside = JoinSet::new();
    beside.spawn({
        let node = std::sync::Arc::clone(&node);
        async move { node.stay_in_touch().await }
    });
    let known = tokio::time::timeout(PATIENCE, async {
        while pages(&bench, "leads") == 0 {
            tokio::task::yield_now().await;
        }
    });
    known.await.expect("its size becomes known");
    assert_eq!(pages(&bench, "suppressions"), 0, "that is its owner's");
    node.ping(later(0)).await.expect("it goes on");
    assert!(beside.try_join_next().is_none(), "also with this");
    drop((beside, node));
    bench.drop_unchecked();
}
