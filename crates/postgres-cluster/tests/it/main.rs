//! What benchmarks rely on.

use postgres_cluster::OwnCluster;

#[test]
fn a_durable_cluster_keeps_what_it_commits_and_says_which_process_it_is() {
    let base = std::env::temp_dir();
    let cluster = OwnCluster::start_durable(&base);
    assert!(cluster.host().starts_with(&base));
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        let value = cluster.admin("postgres", &format!("SHOW {setting}"));
        assert_eq!(value, "on", "{setting}");
    }
    let command = format!("/proc/{}/cmdline", cluster.process_id());
    let command = std::fs::read_to_string(command).expect("the process lives");
    assert!(command.contains("postgres"), "{command}");
}
