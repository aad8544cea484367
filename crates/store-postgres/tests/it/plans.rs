//! How the server finds the rows of each statement, when there are many.
//!
//! Every statement of the source that reads or writes a table which grows with leads, calls or events
//! is planned on an installation of some size, for any values of its parameters (a generic plan, as
//! sessions that go on for long use). None may read such a table from end to end, and which indexes
//! each one uses is kept in `plans/kept.txt`. `UPDATE_PLANS=1` in front of the test writes that file anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use store::conformance::Bench as _;

use crate::bench::PostgresBench;
use crate::statements::whole_statements;

/// Tables that grow with leads, calls and events, or with requests.
const GROWING: &[&str] = &[
    "leads",
    "campaigns",
    "due",
    "attempts",
    "call_details",
    "events",
    "suppressions",
    "idempotency",
    "import_rows",
    "import_removals",
    "revisions",
    "strange_calls",
];

/// How statements end that may read all campaigns: the greatest id of all, asked at the start of a process, and
/// figures for metrics, asked now and then.
const WHOLE: &[&str] = &["AS greatest", "AS due_leads"];

/// The server whose plans are kept. Others may find other ways, but none from end to end.
const KEPT_OF: &str = "15";

/// By so much of it a statement is known in the file.
const KEPT_LETTERS: usize = 90;

#[tokio::test]
async fn no_statement_reads_a_growing_table_from_end_to_end() {
    let bench = PostgresBench::open();
    bench.admin(include_str!("plans/rows.sql"));
    let (mut plans, mut faults) = (String::new(), Vec::new());
    for (file, statement) in whole_statements() {
        if !words(&statement).any(|word| GROWING.contains(&word)) {
            continue;
        }
        let plan = plan_of(&bench, &statement);
        let mut ways = BTreeSet::new();
        collect(&plan, &mut ways);
        if reads_all(&statement) {
            // One way or another.
            ways.retain(|way| !way.contains("campaigns"));
        }
        if ways.iter().any(|way| way.starts_with("Seq Scan")) {
            faults.push(format!("{file}: {statement}: {ways:?}"));
        }
        if ways.is_empty() {
            ways.insert("looks for no row".to_owned());
        }
        let ways: Vec<_> = ways.into_iter().collect();
        let beginning: String = statement.chars().take(KEPT_LETTERS).collect();
        let _ = writeln!(
            plans,
            "{file}: {}\n    {}",
            beginning.trim(),
            ways.join(", ")
        );
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let planned = plans.lines().count() / 2;
    assert!(planned > 90, "only {planned} statements were planned");
    if bench.admin("SHOW server_version").starts_with(KEPT_OF) {
        compare(&plans);
    }
    bench.drop_unchecked();
}

fn reads_all(statement: &str) -> bool {
    WHOLE.iter().any(|end| statement.ends_with(end))
}

fn words(statement: &str) -> impl Iterator<Item = &str> {
    statement.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
}

/// The plan for any values. What is asked for with no value at all is not known when it is made.
fn plan_of(bench: &PostgresBench, statement: &str) -> Value {
    let numbers = statement.split('$').skip(1).filter_map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().ok()
    });
    let values = vec!["NULL"; numbers.max().unwrap_or_default()];
    let values = if values.is_empty() {
        String::new()
    } else {
        format!("({})", values.join(", "))
    };
    let sql = format!(
        "SET plan_cache_mode = force_generic_plan; SET campanile.tenant = '7'; PREPARE asked AS {statement};
         EXPLAIN (COSTS OFF, FORMAT JSON) EXECUTE asked{values}"
    );
    let told = bench.as_role(&sql);
    let told = told.unwrap_or_else(|refused| panic!("{statement}: {refused}"));
    let told: Value = serde_json::from_str(&told).unwrap();
    told[0]["Plan"].clone()
}

/// How rows of growing tables are found: through which index, in the whole of it or in a part.
fn collect(node: &Value, ways: &mut BTreeSet<String>) {
    let text = |key: &str| node[key].as_str().unwrap_or_default();
    let index = text("Index Name");
    if !index.is_empty() {
        let whole = if node["Index Cond"].is_null() {
            " in order"
        } else {
            ""
        };
        ways.insert(format!("{index}{whole}"));
    } else if ["Seq Scan", "Tid Scan"].contains(&text("Node Type"))
        && GROWING.contains(&text("Relation Name"))
    {
        ways.insert(format!(
            "{} of {}",
            text("Node Type"),
            text("Relation Name")
        ));
    }
    for below in node["Plans"].as_array().into_iter().flatten() {
        collect(below, ways);
    }
}

fn compare(plans: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/plans/kept.txt");
    if std::env::var_os("UPDATE_PLANS").is_some() {
        std::fs::write(&path, plans).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let pairs = |text: &str| -> BTreeSet<String> {
        let lines: Vec<&str> = text.lines().collect();
        lines.chunks(2).map(|pair| pair.join("\n")).collect()
    };
    let (kept, now) = (pairs(&kept), pairs(plans));
    let new: Vec<_> = now.difference(&kept).map(String::as_str).collect();
    let gone: Vec<_> = kept.difference(&now).map(String::as_str).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "plans have changed; if they are good, UPDATE_PLANS=1 keeps them\nnow:\n{}\nbefore:\n{}",
        new.join("\n"),
        gone.join("\n")
    );
}
