//! Which crate may know which. Dev-dependencies are free: tests may look anywhere.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Crates of the project that each crate may depend on.
const EDGES: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("failpoint", &[]),
    ("store", &["domain"]),
    ("store-sqlite", &["store", "domain", "failpoint"]),
    ("store-postgres", &["store", "domain", "failpoint"]),
    // For tests only.
    ("postgres-cluster", &[]),
    ("providers", &["domain"]),
    // Not even the adapters: a misreading of a vendor's format must not be shared with what tests it.
    ("sandbox", &[]),
    ("lines", &["store", "providers", "domain"]),
    (
        "dialer",
        &["lines", "store", "providers", "domain", "failpoint"],
    ),
    (
        "api",
        &["lines", "store", "providers", "domain", "failpoint"],
    ),
    ("fuzzing", &["domain", "providers", "api"]),
    (
        "simulation",
        &[
            "domain",
            "store",
            "store-sqlite",
            "providers",
            "sandbox",
            "lines",
            "dialer",
        ],
    ),
    (
        "campanile",
        &[
            "domain",
            "store",
            "store-sqlite",
            "store-postgres",
            "providers",
            "sandbox",
            "lines",
            "dialer",
            "api",
            "simulation",
            "failpoint",
        ],
    ),
];

/// Libraries that only these crates may use, so that a ban holds by construction.
const OWNERS: &[(&str, &[&str])] = &[
    ("rusqlite", &["store-sqlite"]),
    ("tokio-postgres", &["store-postgres"]),
    ("axum", &["api"]),
    ("utoipa", &["api"]),
    ("chacha20poly1305", &["store"]),
    ("anyhow", &["campanile"]),
    ("clap", &["campanile"]),
    ("mimalloc", &["campanile"]),
    ("rustix", &["dialer", "failpoint", "store-sqlite"]),
    ("hyper", &["api", "dialer", "sandbox"]),
    ("rustls", &["dialer", "sandbox", "store-postgres"]),
];

/// Crates without I/O, and what they must therefore not know.
const PURE: &[&str] = &["domain", "providers", "lines"];
const IMPURE_LIBRARIES: &[&str] = &[
    "tokio",
    "hyper",
    "hyper-util",
    "rusqlite",
    "rand",
    "axum",
    "tracing",
];

#[test]
fn every_crate_depends_only_on_what_it_may() {
    let metadata = metadata();
    let members: BTreeSet<&str> = metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let allowed: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let mut faults = Vec::new();
    for (name, dependencies) in dependencies(&metadata) {
        let Some(allowed) = allowed.get(name.as_str()) else {
            faults.push(format!("{name} is new: say in EDGES what it may depend on"));
            continue;
        };
        for dependency in &dependencies {
            if members.contains(dependency.as_str()) && !allowed.contains(&dependency.as_str()) {
                faults.push(format!("{name} must not depend on {dependency}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn libraries_stay_with_their_owners() {
    let mut faults = Vec::new();
    for (name, dependencies) in dependencies(&metadata()) {
        for (library, owners) in OWNERS {
            if dependencies.contains(*library) && !owners.contains(&name.as_str()) {
                faults.push(format!(
                    "{name} must not use {library}: only {} may",
                    owners.join(", ")
                ));
            }
        }
        if PURE.contains(&name.as_str()) {
            let impure = IMPURE_LIBRARIES
                .iter()
                .filter(|library| dependencies.contains(**library));
            faults.extend(
                impure.map(|library| format!("{name} is without I/O and must not use {library}")),
            );
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    for package in metadata().workspace_packages() {
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{} lacks `[lints] workspace = true`",
            package.name
        );
    }
}

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    command
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .no_deps();
    command.exec().unwrap()
}

/// What each crate uses outside its tests.
fn dependencies(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let packages = metadata.workspace_packages().into_iter();
    packages
        .map(|package| {
            let used = package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind != DependencyKind::Development);
            (
                package.name.to_string(),
                used.map(|dependency| dependency.name.clone()).collect(),
            )
        })
        .collect()
}
