//! Every operation × every credential × every place of an id.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use domain::ambient::Clock;
use futures_util::FutureExt;
use http::Method;
use store::{NewToken, Scopes, Store};

use super::database::difference;
use super::hooks;
use super::places::{self, Place};
use super::rows::{ROWS, Row, Scope, row_of};
use super::world::{Ask, Tenant, World};
use crate::contract::{Document, Operation};
use crate::support::{Reply, Server};

/// What was tried: cells are pairs of a credential and a place.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Figures {
    pub(super) operations: usize,
    pub(super) cells: usize,
}

#[test]
fn every_operation_has_a_row_and_every_row_an_operation() {
    let document = Document::get();
    for operation in &document.operations {
        let row = row_of(operation);
        let open = matches!(row.scope, Scope::Anybody | Scope::Vendor);
        assert_eq!(operation.secured, !open, "{}", operation.id);
    }
    for row in ROWS {
        document.operation(row.operation);
    }
    assert_eq!(ROWS.len(), document.operations.len());
}

/// Halves, so that two cores share the work.
#[tokio::test]
async fn tenants_are_apart_in_every_operation_of_the_first_half() {
    half(0).await;
}

#[tokio::test]
async fn tenants_are_apart_in_every_operation_of_the_second_half() {
    half(1).await;
}

async fn half(rest: usize) {
    let mut figures = Figures::default();
    let mut faults = Vec::new();
    let operations = &Document::get().operations;
    for (index, operation) in operations.iter().enumerate() {
        if index % 2 == rest {
            let trial = AssertUnwindSafe(try_operation(operation, index % 4 < 2));
            match trial.catch_unwind().await {
                Ok(cells) => figures.cells += cells,
                Err(panic) => faults.push(format!("{}: {}", operation.id, words(&*panic))),
            }
            figures.operations += 1;
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    #[expect(clippy::print_stdout, reason = "the figures of docs/reliability.md")]
    {
        println!("isolation matrix, half {rest}: {figures:?}");
    }
    assert!(
        figures.operations > 20 && figures.cells > 5_000,
        "{figures:?}"
    );
}

fn words(panic: &(dyn Any + Send)) -> String {
    let fixed = panic.downcast_ref::<&str>().map(ToString::to_string);
    let words = fixed.or_else(|| panic.downcast_ref::<String>().cloned());
    words.unwrap_or_default()
}

/// What was tried, in cells.
async fn try_operation(operation: &Operation, swap: bool) -> usize {
    let row = row_of(operation);
    let mut world = World::new().await;
    if swap {
        std::mem::swap(&mut world.one, &mut world.other);
    }
    let trial = Trial {
        credentials: bad_credentials(&world).await,
        operation,
        row,
        world: &world,
    };
    match row.scope {
        Scope::Anybody => trial.open_to_anybody().await,
        Scope::Vendor => hooks::try_operation(&trial).await,
        _ => trial.secured().await,
    }
}

/// One operation in its world: `one` owns, `other` asks.
pub(super) struct Trial<'a> {
    pub(super) operation: &'a Operation,
    pub(super) row: &'a Row,
    pub(super) world: &'a World,
    /// Every header that must not authenticate, by the name of its kind.
    pub(super) credentials: Vec<(&'static str, Option<String>)>,
}

impl Trial<'_> {
    async fn secured(&self) -> usize {
        let (owner, asker) = (&self.world.one, &self.world.other);
        let seen = observe(self.world, owner).await;
        let places = places::of(self.row, self.operation, asker, owner);
        let mut cells = self.refused(&places).await;
        cells += self.foreign(&places, &asker.bearer, "other tenant's").await;
        cells += self.lower_scope(&places).await;
        cells += self.cursor().await;
        self.same(&seen, "foreign requests").await;
        cells + self.right().await
    }

    /// No credential that is none tells own, foreign and missing objects apart.
    async fn refused(&self, places: &[Place]) -> usize {
        let owner = &self.world.one;
        let right = self.row.right(self.operation, owner);
        let key = right.clone().header("idempotency-key", "key-of-nobody");
        let mut asks = vec![
            ("own".to_owned(), &right),
            ("own with a key".to_owned(), &key),
        ];
        for place in places {
            asks.push((place.name.clone(), &place.foreign));
            asks.push((format!("{}, missing", place.name), &place.missing));
        }
        let nothing = self.send(&right, None).await;
        assert_eq!(nothing.status, 401, "{}", self.operation.id);
        assert_eq!(nothing.header("www-authenticate"), "Bearer");
        assert_eq!(nothing.code(), "unauthenticated");
        let expected = face(&nothing, "");
        for (name, authorization) in &self.credentials {
            let before = self.world.rows();
            for (place, ask) in &asks {
                let reply = self.send(ask, authorization.as_deref()).await;
                assert_eq!(
                    face(&reply, ""),
                    expected,
                    "{} {name} {place}",
                    self.operation.id
                );
            }
            self.unchanged(&before, name);
        }
        self.credentials.len() * asks.len()
    }

    /// Another's object is a missing one, in every byte.
    async fn foreign(&self, places: &[Place], authorization: &str, who: &str) -> usize {
        for place in places {
            let name = format!("{} {who} {}", self.operation.id, place.name);
            let before = self.world.rows();
            let foreign = self.send(&place.foreign, Some(authorization)).await;
            let missing = self.send(&place.missing, Some(authorization)).await;
            assert_eq!(
                face(&foreign, &place.echoed[0]),
                face(&missing, &place.echoed[1]),
                "{name}"
            );
            if place.must_be_missing {
                assert_eq!(
                    (foreign.status.as_u16(), foreign.code()),
                    (404, "not_found"),
                    "{name}"
                );
            }
            self.tells_nothing(&foreign, &place.foreign, &name);
            self.unchanged(&before, &name);
        }
        places.len()
    }

    /// 403 for one's own object, 404 for everything else.
    async fn lower_scope(&self, places: &[Place]) -> usize {
        let mut cells = 0;
        for lower in self.row.scope.lower() {
            let before = self.world.rows();
            let own = self.row.right(self.operation, &self.world.one);
            let reply = self.send(&own, Some(&self.world.one.weak[lower])).await;
            assert_eq!(
                (reply.status.as_u16(), reply.code()),
                (403, "insufficient_scope"),
                "{} {lower}",
                self.operation.id
            );
            self.unchanged(&before, "lower scope");
            let stranger = &self.world.other.weak[lower];
            cells += 1 + self.foreign(places, stranger, "lower scope").await;
        }
        cells
    }

    /// A cursor of another tenant leads into one's own list, or nowhere.
    async fn cursor(&self) -> usize {
        if !self.operation.takes("cursor") {
            return 0;
        }
        let (owner, asker) = (&self.world.one, &self.world.other);
        let page = |tenant: &Tenant, query: &str| {
            let ask = self.row.right(self.operation, tenant);
            Ask {
                path: format!("{}?{query}", ask.path),
                ..ask
            }
        };
        let first = self
            .send(&page(owner, "limit=1"), Some(&owner.bearer))
            .await;
        let cursor = first.body["next_cursor"].as_str();
        let cursor = cursor.unwrap_or_else(|| {
            panic!(
                "{}: the tenants need two objects for a second page",
                self.operation.id
            )
        });
        let ask = page(asker, &format!("cursor={cursor}"));
        let reply = self.send(&ask, Some(&asker.bearer)).await;
        assert!(
            [200, 422].contains(&reply.status.as_u16()),
            "{}",
            reply.body
        );
        self.tells_nothing(&reply, &ask, &self.operation.id);
        1
    }

    /// What is allowed works, touches nobody else, and its key holds for its tenant only.
    async fn right(&self) -> usize {
        let (owner, asker) = (&self.world.one, &self.world.other);
        let with_key = |ask: Ask| {
            if self.operation.takes("Idempotency-Key") {
                ask.header("idempotency-key", "shared-key")
            } else {
                ask
            }
        };
        let id = &self.operation.id;
        let others = self.world.database.rows_of(asker.tenant_id);
        let ask = with_key(self.row.right(self.operation, owner));
        let done = self.send(&ask, Some(&owner.bearer)).await;
        assert_eq!(done.status, self.row.success, "{id}: {}", done.body);
        self.tells_no_secret(&done);
        let after = self.world.database.rows_of(asker.tenant_id);
        if let Some(change) = difference(&others, &after) {
            panic!("{id} changed what another tenant has: {change}");
        }
        if !self.operation.takes("Idempotency-Key") {
            return 1;
        }
        let again = self.send(&ask, Some(&owner.bearer)).await;
        assert_eq!(again.status, done.status, "{id}: {}", again.body);

        let seen = observe(self.world, owner).await;
        let kept = self.world.database.rows_of(owner.tenant_id);
        let theirs = self.send(&ask, Some(&asker.bearer)).await;
        assert_eq!(
            theirs.header("idempotent-replayed"),
            "",
            "{id}: {}",
            theirs.body
        );
        self.tells_nothing(&theirs, &ask, id);
        let own = with_key(self.row.right(self.operation, asker));
        let reply = self.send(&own, Some(&asker.bearer)).await;
        // Where the path names no object, the request before was the first with the key.
        if own.path != ask.path {
            assert_eq!(
                reply.header("idempotent-replayed"),
                "",
                "{id}: {}",
                reply.body
            );
            assert_eq!(reply.status, self.row.success, "{id}: {}", reply.body);
        }
        self.tells_nothing(&reply, &own, id);
        self.same(&seen, "a shared key").await;
        let change = difference(&kept, &self.world.database.rows_of(owner.tenant_id));
        assert_eq!(change, None, "{id}");
        4
    }

    /// Probes and pages answer everybody alike, whatever credential comes along.
    async fn open_to_anybody(&self) -> usize {
        let ask = self.row.right(self.operation, &self.world.one);
        let (one, other) = (&self.world.one.bearer, &self.world.other.bearer);
        let mut headers = self.credentials.clone();
        headers.push(("right", Some(one.clone())));
        headers.push(("other tenant's", Some(other.clone())));
        headers.push(("lower scope", Some(self.world.one.weak["none"].clone())));
        let before = self.world.rows();
        let expected = self.send(&ask, None).await;
        assert_eq!(expected.status, self.row.success, "{}", self.operation.id);
        for (name, authorization) in &headers {
            let reply = self.send(&ask, authorization.as_deref()).await;
            assert_eq!(
                face(&reply, ""),
                face(&expected, ""),
                "{} {name}",
                self.operation.id
            );
            self.tells_no_secret(&reply);
            for tenant in [&self.world.one, &self.world.other] {
                assert_eq!(
                    tenant.canaries.found_in(&reply.bytes, ""),
                    None,
                    "{}",
                    self.operation.id
                );
            }
        }
        self.unchanged(&before, "reading");
        headers.len()
    }

    pub(super) async fn send(&self, ask: &Ask, authorization: Option<&str>) -> Reply {
        ask.send(&self.world.server, authorization).await
    }

    fn tells_nothing(&self, reply: &Reply, ask: &Ask, name: &str) {
        let found = self.world.one.canaries.found_in(&reply.bytes, &ask.text());
        assert_eq!(found, None, "{name}: {}", reply.body);
    }

    fn tells_no_secret(&self, reply: &Reply) {
        let text = String::from_utf8_lossy(&reply.bytes);
        let tenants = [&self.world.one, &self.world.other];
        for secret in tenants.iter().flat_map(|tenant| &tenant.secrets) {
            assert!(
                !text.contains(secret),
                "{} tells {secret}",
                self.operation.id
            );
        }
    }

    pub(super) fn unchanged(&self, before: &str, name: &str) {
        if let Some(change) = difference(before, &self.world.rows()) {
            panic!("{} {name} changed something: {change}", self.operation.id);
        }
    }

    async fn same(&self, before: &BTreeMap<String, String>, after: &str) {
        let now = observe(self.world, &self.world.one).await;
        for (path, answer) in before {
            assert_eq!(
                &now[path], answer,
                "{path} after {after}: {}",
                self.operation.id
            );
        }
    }
}

/// Everything the API shows a tenant, by path.
async fn observe(world: &World, tenant: &Tenant) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    let secured = Document::get()
        .operations
        .iter()
        .filter(|operation| operation.secured);
    for operation in secured.filter(|operation| operation.method == Method::GET) {
        let roles = tenant
            .ids
            .keys()
            .filter_map(|name| name.split_once('/').map(|(_, role)| role));
        for role in roles.map(Some).chain([None]) {
            let known = |name: &str| {
                tenant
                    .ids
                    .contains_key(&format!("{name}/{}", role.unwrap_or_default()))
            };
            let path = operation
                .path_with(|name| tenant.id(name, role.filter(|_| known(name))).to_owned());
            if seen.contains_key(&path) {
                continue;
            }
            let reply = Ask::new(Method::GET, &path)
                .send(&world.server, Some(&tenant.bearer))
                .await;
            seen.insert(path, face(&reply, ""));
        }
    }
    seen
}

/// A whole answer to compare: status, every header, every byte; without what the request said.
pub(super) fn face(reply: &Reply, echoed: &str) -> String {
    let mut headers: Vec<_> = reply
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value:?}"))
        .filter(|header| !header.starts_with("date:") && !header.starts_with("content-length:"))
        .collect();
    headers.sort();
    let body = String::from_utf8_lossy(&reply.bytes).into_owned();
    let body = if echoed.is_empty() {
        body
    } else {
        body.replace(echoed, "…")
    };
    format!("{}\n{}\n\n{body}", reply.status, headers.join("\n"))
}

/// Headers that authenticate nobody, though some are of the owner's own tokens.
async fn bad_credentials(world: &World) -> Vec<(&'static str, Option<String>)> {
    let (server, tenant) = (&world.server, &world.one);
    let right = tenant.bearer.strip_prefix("Bearer ").unwrap();
    let end = if right.ends_with('a') { "b" } else { "a" };
    let bad_checksum = format!("Bearer {}{end}", &right[..right.len() - 1]);
    let unknown = api::token::generate(server.entropy.as_ref());
    let mut all = vec![
        ("none", None),
        ("malformed", Some("Bearer nonsense".to_owned())),
        ("malformed", Some("Bearer".to_owned())),
        ("malformed", Some(format!("Basic {right}"))),
        ("malformed", Some(right.to_owned())),
        ("bad checksum", Some(bad_checksum)),
        ("unknown", Some(format!("Bearer {unknown}"))),
    ];
    for kind in ["disabled", "expired", "deleted"] {
        all.push((kind, Some(dead_token(server, tenant, kind).await)));
    }
    all
}

async fn dead_token(server: &Server, tenant: &Tenant, kind: &str) -> String {
    let secret = api::token::generate(server.entropy.as_ref());
    let caller = server.caller(tenant.tenant_id);
    let past = server.clock.now() - Duration::from_secs(1);
    let token = NewToken {
        name: kind.to_owned(),
        scopes: Scopes::from_names(["read", "write", "admin"]).unwrap(),
        hash: api::token::hash(&secret),
        masked: api::token::mask(&secret),
        expires_at: (kind == "expired").then_some(past),
    };
    let store::Written::Fresh(record) = server
        .store
        .create_token(caller, token, None)
        .await
        .unwrap()
    else {
        panic!("replayed");
    };
    let token_id = record.token_id;
    match kind {
        "disabled" => drop(
            server
                .store
                .set_token_enabled(caller, token_id, false, store::Precondition::None)
                .await
                .unwrap(),
        ),
        "deleted" => server
            .store
            .delete_token(caller, token_id, store::Precondition::None)
            .await
            .unwrap(),
        _ => {}
    }
    format!("Bearer {secret}")
}
