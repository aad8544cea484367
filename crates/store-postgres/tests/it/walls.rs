//! Row-level security: what a statement sees that forgets its tenant.

use store::conformance::Bench;
use store::conformance::fixture::{add, tenant_with_running};

use crate::bench::PostgresBench;

/// Tables with a tenant.
const WALLED: &str =
    "SELECT string_agg(table_name, ' ' ORDER BY table_name) FROM information_schema.columns
     WHERE table_schema = 'public' AND column_name = 'tenant_id'";

#[tokio::test]
async fn every_table_with_a_tenant_is_walled_also_for_its_owner() {
    let bench = PostgresBench::open();
    let open = "SELECT relname FROM pg_class
         WHERE relname IN (SELECT table_name FROM information_schema.columns
                           WHERE table_schema = 'public' AND column_name = 'tenant_id')
           AND relkind = 'r' AND NOT (relrowsecurity AND relforcerowsecurity)";
    assert_eq!(bench.admin(open), "");
    bench.check();
}

#[tokio::test]
async fn another_tenants_rows_are_neither_seen_nor_written() {
    let bench = PostgresBench::open();
    let (acme, campaign) = tenant_with_running(bench.store(), "Acme").await;
    add(bench.store(), acme, campaign, 1).await;
    let (other, _) = tenant_with_running(bench.store(), "Other").await;
    let (acme, other) = (acme.tenant_id.raw(), other.tenant_id.raw());
    for table in bench.admin(WALLED).split(' ') {
        let count = format!("SELECT count(*) FROM {table} WHERE tenant_id = {acme}");
        let as_other = format!("SET campanile.tenant = '{other}'; {count}");
        assert_eq!(bench.as_role(&as_other).unwrap(), "0", "{table} as another");
        assert_eq!(bench.as_role(&count).unwrap(), "0", "{table} as nobody");
        let garbled = format!("SET campanile.tenant = 'x'; {count}");
        assert_eq!(bench.as_role(&garbled).unwrap(), "0", "{table}, garbled");
    }
    let seen = "SELECT count(*) FROM leads";
    let as_acme = format!("SET campanile.tenant = '{acme}'; {seen}");
    assert_eq!(bench.as_role(&as_acme).unwrap(), "1", "its own is seen");
    let steal = format!("SET campanile.tenant = '{other}'; UPDATE leads SET rank = 9; {seen}");
    assert_eq!(bench.as_role(&steal).unwrap(), "0");
    let plant = format!(
        "SET campanile.tenant = '{other}';
         INSERT INTO suppressions (tenant_id, phone, suppression_id, source, created_at)
         VALUES ({acme}, '+14155550199', 1, 'x', 0)"
    );
    let refused = bench.as_role(&plant).unwrap_err();
    assert!(refused.contains("row-level security"), "{refused}");
    bench.check();
}
