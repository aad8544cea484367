//! A fresh database for each case, and what must be true of it afterwards.

use std::path::Path;

use domain::attempt::Patience;
use postgres_cluster::Cluster;
use store::Store;
use store::conformance::Bench;
use store::conformance::promises::PROMISES;
use store_postgres::{Options, PostgresStore, migrate_database};

/// A store on a database of its own.
pub(crate) struct PostgresBench {
    cluster: &'static Cluster,
    database: String,
    store: PostgresStore,
}

/// Promises of this back end beside those of all: what it says in a way of its own.
const VIOLATIONS: &[(&str, &str)] = &[
    (
        "a lead is due exactly while it is READY, with its own zone and rank",
        "SELECT lead_id FROM leads LEFT JOIN due USING (tenant_id, lead_id)
         WHERE leads.campaign_id IN (SELECT campaign_id FROM campaigns)
           AND ((leads.status = 'READY') <> (due.campaign_id IS NOT NULL)
                OR due.campaign_id <> leads.campaign_id OR due.rank <> leads.rank
                OR due.zone <> coalesce(leads.timezone, '') OR due.due_at < leads.not_before)
         UNION ALL SELECT lead_id FROM due WHERE lead_id NOT IN (SELECT lead_id FROM leads)",
    ),
    (
        "names and references repeat what the settings say",
        "SELECT campaign_id FROM campaigns
         WHERE name <> settings::json ->> 'name'
            OR line_id <> (settings::json ->> 'tenant_voice_provider_id')::bigint
            OR pool_id IS DISTINCT FROM CASE settings::json ->> 'dialer_type'
                   WHEN 'POOL' THEN (settings::json ->> 'phone_number_pool_id')::bigint END",
    ),
    (
        "everything is its tenant's",
        "SELECT campaigns.tenant_id FROM campaigns JOIN lines USING (line_id)
         WHERE campaigns.tenant_id <> lines.tenant_id
         UNION ALL SELECT leads.tenant_id FROM leads JOIN campaigns USING (campaign_id)
         WHERE leads.tenant_id <> campaigns.tenant_id
         UNION ALL SELECT attempts.tenant_id FROM attempts JOIN lines USING (line_id)
         WHERE attempts.tenant_id <> lines.tenant_id",
    ),
];

/// Vendor constants of the suite.
pub(crate) fn patience(_: &str) -> Patience {
    Patience {
        list_settle_ms: 900_000,
        max_ring_ms: 300_000,
        max_talk_ms: 1_800_000,
    }
}

/// The name of the template: another schema is another template.
fn template() -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    include_str!("../../src/migrate.rs").hash(&mut hasher);
    include_str!("../../migrations/0001_core.sql").hash(&mut hasher);
    include_str!("../../migrations/0002_relocation.sql").hash(&mut hasher);
    include_str!("../../migrations/0003_statistics.sql").hash(&mut hasher);
    include_str!("../../migrations/0004_plans.sql").hash(&mut hasher);
    format!("template_{:x}", hasher.finish())
}

/// Migrates a database, on a runtime of its own: a case's runtime is busy with the case.
fn migrate(address: &str) {
    let address = address.parse().unwrap();
    let migrated = std::thread::scope(|scope| {
        let work = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(migrate_database(&address))
        };
        scope.spawn(work).join().unwrap()
    });
    assert_eq!(migrated.unwrap(), 0, "the template was not empty");
}

impl PostgresBench {
    /// Options for the database of this bench.
    pub(crate) fn options(&self) -> Options {
        options(&self.cluster.address(&self.database))
    }

    /// The same, where another host than the server's own is connected to.
    pub(crate) fn options_over(&self, host: &Path) -> Options {
        let own = self.cluster.host().display().to_string();
        let address = self.cluster.address(&self.database);
        options(&address.replace(&own, &host.display().to_string()))
    }

    /// Another process on the same database.
    pub(crate) fn other_node(&self) -> PostgresStore {
        PostgresStore::connect(&self.options()).unwrap()
    }

    /// Another process that serves the API alone.
    pub(crate) fn node_without_dialer(&self) -> PostgresStore {
        let options = Options {
            dials: false,
            ..self.options()
        };
        PostgresStore::connect(&options).unwrap()
    }

    /// Another process, with its marker file.
    pub(crate) fn node_with_marker(&self, marker: &Path) -> PostgresStore {
        let options = Options {
            marker: Some(marker.to_owned()),
            ..self.options()
        };
        PostgresStore::connect(&options).unwrap()
    }

    /// A copy of the database as it is now, as a backup that was put back would be. Nobody may be
    /// connected.
    pub(crate) fn copy(&self) -> Self {
        let database = self.cluster.copy_of(&self.database);
        let store = PostgresStore::connect(&options(&self.cluster.address(&database))).unwrap();
        Self {
            cluster: self.cluster,
            database,
            store,
        }
    }

    /// What a statement of the ordinary role answers, or the server's refusal.
    pub(crate) fn as_role(&self, sql: &str) -> Result<String, String> {
        self.cluster.as_role(&self.database, sql)
    }

    /// The superuser keeps the row of the tenant with this name locked for so long, as a process that
    /// stands still would. When this answers, it is locked.
    pub(crate) fn lock_tenant(&self, name: &str, seconds: u32) -> std::thread::JoinHandle<String> {
        let (cluster, database) = (self.cluster, self.database.clone());
        let sql = format!(
            "SELECT 1 FROM tenants WHERE name = '{name}' FOR UPDATE; SELECT pg_sleep({seconds})"
        );
        let thread = std::thread::Builder::new().name("locks".to_owned());
        let locked = thread
            .spawn(move || cluster.admin(&database, &sql))
            .unwrap();
        let sleeping = "SELECT count(*) FROM pg_stat_activity
                        WHERE datname = current_database() AND wait_event = 'PgSleep'";
        while self.admin(sleeping).trim() == "0" {}
        locked
    }

    /// Drops the database whatever is in it: rows that nothing but a test has made, or those of a case that
    /// has failed.
    pub(crate) fn drop_unchecked(self) {
        self.cluster.drop_database(&self.database);
    }

    /// Rows of a statement that the superuser runs.
    pub(crate) fn admin(&self, sql: &str) -> String {
        self.cluster.admin(&self.database, sql)
    }
}

/// Options for a database.
pub(crate) fn options(address: &str) -> Options {
    Options {
        address: address.parse().unwrap(),
        connections: 4,
        patience_of: patience,
        dials: true,
        marker: None,
    }
}

impl Bench for PostgresBench {
    fn open() -> Self {
        let cluster = postgres_cluster::shared();
        let database = cluster.fresh_database(&template(), migrate);
        let store = PostgresStore::connect(&options(&cluster.address(&database))).unwrap();
        Self {
            cluster,
            database,
            store,
        }
    }

    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn check(self) {
        for (promise, violations) in PROMISES.iter().chain(VIOLATIONS) {
            let found = self.admin(violations);
            assert!(found.is_empty(), "violated: {promise}: {found}");
        }
        self.cluster.drop_database(&self.database);
    }
}
