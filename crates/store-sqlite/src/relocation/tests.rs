use std::collections::BTreeSet;

use domain::attempt::Patience;
use store::relocation::TABLES;

use super::*;
use crate::open::Access;

const OPTIONS: Options = Options {
    access: Access::Owner,
    readers: 1,
    patience_of: |_| Patience {
        list_settle_ms: 1_000,
        max_ring_ms: 1_000,
        max_talk_ms: 1_000,
    },
    reserve_bytes: 0,
    on_failed_sync: |failure| panic!("{failure}"),
};

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

/// A fresh file of this program's schema, taken.
fn source(folder: &Path) -> Source {
    let path = folder.join("c.db");
    std::fs::write(&path, "").unwrap();
    Source::open(&path, OPTIONS).unwrap()
}

fn texts(db: &Connection, sql: &str) -> Vec<String> {
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn every_table_and_column_is_moved_or_left_behind_for_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path());
    let tables = texts(
        &source.connection,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    );
    let left: BTreeSet<&str> = select::LEFT_BEHIND.iter().map(|(name, _)| *name).collect();
    for name in &tables {
        let table = TABLES.iter().find(|table| table.name == name.as_str());
        assert_ne!(
            table.is_some(),
            left.contains(name.as_str()),
            "{name} must be moved, or be named in LEFT_BEHIND with the reason"
        );
        let Some(table) = table else { continue };
        let sql = format!("SELECT name FROM pragma_table_info('{name}')");
        for column in texts(&source.connection, &sql) {
            let renamed = select::RENAMED
                .iter()
                .find(|(of, here, _)| of == name && *here == column);
            let there = renamed.map_or(column.as_str(), |(_, _, there)| there);
            assert!(
                table.columns.iter().any(|column| column.name == there),
                "nobody moves {name}.{column}"
            );
        }
    }
    for table in TABLES {
        assert!(
            tables.iter().any(|name| name == table.name),
            "{} is not here",
            table.name
        );
    }
}

#[test]
fn pages_are_found_by_the_key_and_never_sorted() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path());
    for table in TABLES {
        for resumes in [false, true] {
            let sql = format!("EXPLAIN QUERY PLAN {}", select::rows(table, resumes));
            let mut statement = source.connection.prepare(&sql).unwrap();
            let numbers = 1..=if resumes { table.key.len() } else { 0 };
            let plan =
                statement.query_map(params_from_iter(numbers), |row| row.get::<_, String>(3));
            for step in plan.unwrap().map(Result::unwrap) {
                assert!(!step.contains("TEMP B-TREE"), "{}: {step}", table.name);
            }
        }
    }
}

#[test]
fn pages_follow_each_other_without_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let mut source = source(folder.path());
    let fill = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 12000)
                INSERT INTO gaps (gap_id, from_at, until_at) SELECT 3 * n, n, n FROM n";
    source.connection.execute_batch(fill).unwrap();
    source.begin("move", "there", now()).unwrap();
    let gaps = TABLES.iter().find(|table| table.name == "gaps").unwrap();
    let (mut after, mut seen, mut pages) = (None, Vec::new(), 0);
    loop {
        let page = source.page(gaps, after.as_ref()).unwrap();
        let Cells::Integers(ids) = &page.columns[0] else {
            panic!("ids are numbers");
        };
        assert_eq!(u64::try_from(ids.len()).unwrap(), page.rows);
        seen.extend(ids.iter().flatten().copied());
        pages += 1;
        after = page.last;
        if page.is_last {
            break;
        }
    }
    assert_eq!(pages, 3);
    assert_eq!(seen, (1..=12_000).map(|n| 3 * n).collect::<Vec<_>>());
    assert_eq!(source.count(gaps).unwrap(), 12_000);
}

#[test]
fn large_texts_end_a_page_and_the_character_zero_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let mut source = source(folder.path());
    let fill = "INSERT INTO attempts (attempt_id, tenant_id, campaign_id, lead_id, line_id, account,
                    attempt_number, phone, phone_number_id, assistant_id, entity, attempt_key, state,
                    live, counts, revision, verdict, planned_at, send_not_after)
                    SELECT n, 7, 1, 1, 1, 0, n, 'p', '', '', '', n, 'ENDED', 0, 1, 1, '', 0, 0
                    FROM (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3);
                INSERT INTO call_details (attempt_id, transcript)
                    SELECT attempt_id, 'a' || char(0) || printf('%.*c', 3000000, 'x') FROM attempts";
    source.connection.execute_batch(fill).unwrap();
    source.begin("move", "there", now()).unwrap();
    let details = TABLES
        .iter()
        .find(|table| table.name == "call_details")
        .unwrap();
    let page = source.page(details, None).unwrap();
    assert_eq!((page.rows, page.is_last), (2, false));
    assert_eq!(page.columns[0], Cells::Integers(vec![Some(7), Some(7)]));
    let Cells::Texts(transcripts) = &page.columns[5] else {
        panic!("a transcript is a text");
    };
    let first = transcripts[0].as_deref().unwrap();
    assert!(first.starts_with("a\u{fffd}x") && first.len() == 3_000_004);
    let rest = source.page(details, page.last.as_ref()).unwrap();
    assert_eq!((rest.rows, rest.is_last), (1, true));
}

#[tokio::test]
async fn a_write_in_between_ends_a_move_that_rests_and_a_moved_file_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.db");
    let mut first = source(folder.path());
    first.settle(now()).await.unwrap();
    first.begin("one", "there", now()).unwrap();
    let held = SqliteStore::open(&path, OPTIONS).unwrap_err();
    assert!(matches!(held, OpenError::Held { .. }), "{held}");
    drop(first);
    // As it was: it goes on.
    let mut again = Source::open(&path, OPTIONS).unwrap();
    assert_eq!(again.departure().unwrap().move_id, "one");
    again.resume().unwrap();
    drop(again);
    let beside = Options {
        access: Access::Beside,
        ..OPTIONS
    };
    let store = SqliteStore::open(&path, beside).unwrap();
    assert!(!store.has_tokens().await.unwrap());
    let looked = Source::open(&path, OPTIONS).unwrap();
    assert!(looked.departure().is_some(), "reading changes nothing");
    drop(looked);
    store.ping(now()).await.unwrap();
    let mut fresh = Source::open(&path, OPTIONS).unwrap();
    assert_eq!(fresh.departure(), None);
    fresh.begin("two", "there", now()).unwrap();
    fresh.mark_moved(now()).unwrap();
    // A command that had the file open before does not write to it either.
    let late = store.ping(now()).await.unwrap_err().to_string();
    assert!(late.contains("moved"), "{late}");
    drop(fresh);
    for access in [Access::Owner, Access::Beside] {
        let options = Options { access, ..OPTIONS };
        let refused = SqliteStore::open(&path, options).unwrap_err().to_string();
        for word in ["moved to there", "serve that one", "--undo"] {
            assert!(refused.contains(word), "{refused}");
        }
    }
}

#[tokio::test]
async fn the_way_back_is_on_hold_whether_it_ever_dialed_or_not() {
    for dialed in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let mut source = source(folder.path());
        if dialed {
            let sql =
                "INSERT INTO installation (only, name, marker, marked_at) VALUES (1, 'abc', 41, 5)";
            source.connection.execute_batch(sql).unwrap();
            let own = hold::own_mark(&source.connection).unwrap().unwrap();
            assert!(source.marker.replace(&own));
        }
        source.settle(now()).await.unwrap();
        assert!(!source.hold_status().unwrap().is_on_hold());
        source.begin("move", "there", now()).unwrap();
        source.mark_moved(now()).unwrap();
        // Marker and mark are whole after a second time, as after a death in between.
        source.resume().unwrap();
        source.mark_moved(now()).unwrap();
        assert!(source.undo(now()).unwrap());
        assert!(!source.undo(now()).unwrap());
        let path = source.path.clone();
        drop(source);
        let store = SqliteStore::open(&path, OPTIONS).unwrap();
        store.recover(now()).await.unwrap();
        assert!(store.hold_status().await.unwrap().needs_reconciliation());
    }
}
