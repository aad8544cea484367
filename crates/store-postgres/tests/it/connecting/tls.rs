//! TLS against a real server: what each `sslmode` lets in and keeps out, as with libpq.
//!
//! [`GUARDED`] may log in over TLS only, with its password, so whatever lets it in was encrypted.

use std::path::PathBuf;

use postgres_cluster::{GUARDED, OwnCluster, ROLE};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use store::Store as _;
use store::conformance::fixture::later;
use store_postgres::{OpenError, PostgresStore, inspect_database};
use tempfile::TempDir;

use super::assert_says;
use crate::bench::options;

/// The name that the server's certificate is for.
const NAME: &str = "db.example";

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    key: String,
    file: PathBuf,
}

impl Authority {
    fn new(folder: &TempDir, name: &str) -> Self {
        let mut params = CertificateParams::new([NAME.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let common = rcgen::DnType::CommonName;
        params.distinguished_name.push(common, name);
        let pair = KeyPair::generate().unwrap();
        let pem = params.self_signed(&pair).unwrap().pem();
        let file = folder.path().join(name);
        std::fs::write(&file, &pem).unwrap();
        Self {
            key: pair.serialize_pem(),
            issuer: Issuer::new(params, pair),
            pem,
            file,
        }
    }

    /// A server's certificate and its key.
    fn sign(&self, names: &[&str], ends: (i32, u8, u8)) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(ends.0, ends.1, ends.2);
        let pair = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&pair, &self.issuer).unwrap();
        (certificate.pem(), pair.serialize_pem())
    }

    fn roots(&self, mode: &str) -> String {
        format!("sslmode={mode}&sslrootcert={}", self.file.display())
    }
}

struct Bench {
    cluster: OwnCluster,
    ip: String,
    ours: Authority,
    other: Authority,
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cluster = OwnCluster::start_new();
        let ip = cluster.listen().to_string();
        let create = format!("CREATE DATABASE dial OWNER {GUARDED}");
        cluster.admin("postgres", &create);
        let let_in = format!("GRANT CREATE ON SCHEMA public TO {ROLE}");
        cluster.admin("dial", &let_in);
        Self {
            ours: Authority::new(&folder, "ours.pem"),
            other: Authority::new(&folder, "other.pem"),
            cluster,
            ip,
            folder,
        }
    }

    /// The database as a user who is let in over TLS alone, under a name of the server.
    fn over_tls(&self, host: &str, query: &str) -> String {
        let (user, ip) = (GUARDED, &self.ip);
        format!("postgres://{user}:{user}@{host}/dial?hostaddr={ip}&{query}")
    }

    /// The same as a user who is let in with and without it.
    fn either_way(&self, query: &str) -> String {
        let (user, ip) = (ROLE, &self.ip);
        format!("postgres://{user}@{NAME}/dial?hostaddr={ip}&{query}")
    }

    fn present(&self, names: &[&str], ends: (i32, u8, u8)) {
        let (certificate, key) = self.ours.sign(names, ends);
        self.cluster.present(&certificate, &key);
    }
}

async fn connect(address: &str) -> Result<(), OpenError> {
    let address = address.parse().unwrap();
    inspect_database(&address).await.map(|_| ())
}

async fn lets_in(address: &str) {
    if let Err(error) = connect(address).await {
        panic!("{address}: {error}");
    }
}

async fn keeps_out(address: &str, words: &[&str]) {
    let Err(error) = connect(address).await else {
        panic!("{address} lets in");
    };
    assert!(matches!(error, OpenError::Tls { .. }), "{error}");
    assert!(!error.passes(), "{error}");
    assert_says(&error, &["over TLS"]);
    assert_says(&error, words);
}

#[tokio::test]
async fn each_sslmode_trusts_what_it_trusts_with_libpq() {
    let bench = Bench::new();
    a_server_without_tls(&bench).await;
    bench.present(&[NAME, "localhost", &bench.ip], (4000, 1, 1));
    everything_is_right(&bench).await;
    another_authority(&bench).await;
    another_name(&bench).await;
    roots_that_are_none(&bench).await;
    a_server_that_wants_tls(&bench).await;
    a_store_works(&bench).await;
    bench.present(&[NAME], (2021, 1, 1));
    an_expired_certificate(&bench).await;
    bench.cluster.present(&bench.ours.pem, &bench.ours.key);
    let itself = bench.over_tls(NAME, &bench.ours.roots("verify-ca"));
    keeps_out(&itself, &["X.509 v3", "not its own authority"]).await;
    lets_in(&bench.over_tls(NAME, "sslmode=require")).await;
}

async fn a_server_without_tls(bench: &Bench) {
    for mode in ["disable", "allow", "prefer"] {
        lets_in(&bench.either_way(&format!("sslmode={mode}"))).await;
    }
    for query in [
        "sslmode=require".to_owned(),
        "sslmode=verify-full".to_owned(),
        bench.ours.roots("require"),
        bench.ours.roots("verify-ca"),
        bench.ours.roots("verify-full"),
    ] {
        keeps_out(&bench.either_way(&query), &["ssl = on", "sslmode=disable"]).await;
    }
}

async fn everything_is_right(bench: &Bench) {
    for mode in ["allow", "prefer", "require"] {
        lets_in(&bench.over_tls(NAME, &format!("sslmode={mode}"))).await;
    }
    lets_in(&bench.over_tls(NAME, "application_name=said")).await;
    for mode in ["prefer", "require", "verify-ca", "verify-full"] {
        lets_in(&bench.over_tls(NAME, &bench.ours.roots(mode))).await;
    }
    for host in ["localhost", bench.ip.as_str()] {
        lets_in(&bench.over_tls(host, &bench.ours.roots("verify-full"))).await;
    }
}

async fn another_authority(bench: &Bench) {
    let remedy = ["UnknownIssuer", "sslrootcert=<file>"];
    for mode in ["require", "verify-ca", "verify-full"] {
        keeps_out(&bench.over_tls(NAME, &bench.other.roots(mode)), &remedy).await;
    }
    for query in ["sslmode=verify-full", "sslrootcert=system"] {
        keeps_out(&bench.over_tls(NAME, query), &remedy).await;
    }
    // As with libpq nothing is checked where nothing was asked to be.
    lets_in(&bench.over_tls(NAME, "sslmode=require")).await;
    // Several in a file: one is enough.
    let both = bench.folder.path().join("both.pem");
    std::fs::write(&both, format!("{}{}", bench.other.pem, bench.ours.pem)).unwrap();
    let query = format!("sslmode=verify-full&sslrootcert={}", both.display());
    lets_in(&bench.over_tls(NAME, &query)).await;
}

async fn another_name(bench: &Bench) {
    for mode in ["require", "verify-ca"] {
        lets_in(&bench.over_tls("other.example", &bench.ours.roots(mode))).await;
    }
    for host in ["other.example", "127.0.0.1"] {
        let address = bench.over_tls(host, &bench.ours.roots("verify-full"));
        keeps_out(&address, &["subjectAltName", "sslmode=verify-ca"]).await;
    }
    // Its number is its name then.
    lets_in(&bench.over_tls("", &bench.ours.roots("verify-full"))).await;
}

async fn roots_that_are_none(bench: &Bench) {
    let empty = bench.folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    let missing = bench.folder.path().join("missing.pem");
    for file in [empty, missing] {
        let query = format!("sslmode=verify-full&sslrootcert={}", file.display());
        let words = [file.to_str().unwrap(), "in PEM form"];
        keeps_out(&bench.over_tls(NAME, &query), &words).await;
    }
}

async fn a_server_that_wants_tls(bench: &Bench) {
    lets_in(&bench.either_way("sslmode=disable")).await;
    let address = bench.over_tls(NAME, "sslmode=disable");
    let error = connect(&address).await.unwrap_err();
    assert!(matches!(error, OpenError::Login { .. }), "{error}");
    assert_says(&error, &["refused the login", "say sslmode=verify-full"]);
}

/// The pool, migrations and whatever else connects.
async fn a_store_works(bench: &Bench) {
    let address = bench.over_tls(NAME, &bench.ours.roots("verify-full"));
    let store = PostgresStore::open(&options(&address)).await.unwrap();
    store.ping(later(0)).await.unwrap();
}

async fn an_expired_certificate(bench: &Bench) {
    for mode in ["require", "verify-ca", "verify-full"] {
        let address = bench.over_tls(NAME, &bench.ours.roots(mode));
        keeps_out(&address, &["renew the server's certificate", "clock"]).await;
    }
    lets_in(&bench.over_tls(NAME, "sslmode=require")).await;
}
