//! Groups: what stands when one command of a group fails, and when the commit does.

use domain::CampaignId;
use store::{Conflict, StoreResult};

use super::*;
use crate::migrate;

type Answer = oneshot::Receiver<StoreResult<i64>>;

fn core() -> Core {
    let mut connection = Connection::open_in_memory().unwrap();
    connection
        .pragma_update(None, "foreign_keys", "ON")
        .unwrap();
    migrate::migrate(&mut connection).unwrap();
    let tenant = "INSERT INTO tenants (tenant_id, name, created_at) VALUES (1, 'Acme', 0)";
    connection.execute(tenant, []).unwrap();
    let (board, wake) = (Arc::default(), Arc::default());
    let room = Arc::new(Room::new(std::path::Path::new("a.db"), 0));
    let (ids, settings) = (IdSource::default(), SettingsCache::default());
    Core::new(connection, ids, settings, board, wake, room, |_| {})
}

fn command(
    body: impl FnOnce(&mut Work<'_>) -> StoreResult<i64> + Send + 'static,
) -> (Box<dyn Job>, Answer) {
    let (reply, answer) = oneshot::channel();
    let body = Some(body);
    (
        Box::new(Command {
            body,
            result: None,
            reply,
        }),
        answer,
    )
}

/// Writes a row and takes a sequence.
fn write(work: &mut Work<'_>, key: &str) -> StoreResult<i64> {
    let sql = "INSERT INTO meta (key, value) VALUES (?1, '')";
    work.tx.execute(sql, [key]).map_err(translate)?;
    work.next_sequence(TenantId::from_raw(1))
}

fn keys(core: &Core) -> Vec<String> {
    let mut statement = core
        .connection
        .prepare("SELECT key FROM meta ORDER BY key")
        .unwrap();
    let keys = statement.query_map([], |row| row.get(0)).unwrap();
    keys.map(Result::unwrap).collect()
}

fn last_sequence(core: &Core) -> i64 {
    let sql = "SELECT last_sequence FROM tenants WHERE tenant_id = 1";
    core.connection
        .query_row(sql, [], |row| row.get(0))
        .unwrap()
}

#[test]
fn a_failing_command_leaves_no_trace_and_harms_no_other() {
    let mut core = core();
    let (first, mut first_answer) = command(|work| write(work, "a"));
    let (second, mut second_answer) = command(|work| {
        write(work, "b")?;
        work.revoke(Scope::Campaign(CampaignId::from_raw(7)));
        work.wake();
        Err(Conflict::Duplicate("no").into())
    });
    let (third, mut third_answer) = command(|work| write(work, "c"));
    core.run(vec![first, second, third]);
    assert_eq!(first_answer.try_recv().unwrap().unwrap(), 1);
    assert!(matches!(
        second_answer.try_recv().unwrap(),
        Err(StoreError::Conflict(_))
    ));
    // The number that the failed command took is given again: the feed has no gap.
    assert_eq!(third_answer.try_recv().unwrap().unwrap(), 2);
    assert_eq!(keys(&core), ["a", "c"]);
    assert_eq!(last_sequence(&core), 2);
}

#[test]
fn nothing_of_a_group_is_acknowledged_when_its_commit_fails() {
    let mut core = core();
    let (first, mut first_answer) = command(|work| write(work, "a"));
    let (second, mut second_answer) = command(|work| {
        // Violates a foreign key, which is only found at the commit.
        work.tx
            .execute_batch("PRAGMA defer_foreign_keys = ON")
            .map_err(translate)?;
        let sql = "INSERT INTO tokens (token_id, tenant_id, name, scopes, enabled, hash, masked, created_at)
                   VALUES (1, 99, '', '', 1, x'00', '', 0)";
        work.tx.execute(sql, []).map_err(translate)?;
        Ok(0)
    });
    core.run(vec![first, second]);
    assert!(first_answer.try_recv().unwrap().is_err());
    assert!(second_answer.try_recv().unwrap().is_err());
    assert_eq!(keys(&core), Vec::<String>::new());
    // The writer goes on.
    let (third, mut third_answer) = command(|work| write(work, "c"));
    core.run(vec![third]);
    assert_eq!(third_answer.try_recv().unwrap().unwrap(), 1);
    assert_eq!(keys(&core), ["c"]);
}

#[test]
fn a_part_that_fails_is_undone_and_the_command_goes_on() {
    let mut core = core();
    let (job, mut answer) = command(|work| {
        write(work, "a")?;
        let part = work.isolated(|work| {
            write(work, "b")?;
            Err::<(), _>(StoreError::Corrupt("damaged".to_owned()))
        })?;
        assert!(part.is_err());
        write(work, "c")
    });
    core.run(vec![job]);
    assert_eq!(answer.try_recv().unwrap().unwrap(), 2);
    assert_eq!(keys(&core), ["a", "c"]);
    assert_eq!(last_sequence(&core), 2);
}
