//! Headers decide nothing but what the contract says of them: no proxy's habit, no override, and
//! above all no tenant beside the token's.

use http::Method;

use super::matrix::face;
use super::rows::row_of;
use super::world::{Ask, World};
use crate::contract::Document;

/// What frameworks and proxies elsewhere obey, with another tenant's values.
fn tempting(world: &World) -> Vec<(&'static str, String)> {
    let other = &world.other;
    let tenant = other.id("tenant_id", None).to_owned();
    let campaign = format!("/api/v2/voice-campaigns/{}", other.id("campaign_id", None));
    let token = other.bearer.replace("Bearer ", "");
    let mut headers: Vec<(&str, String)> = ["x-tenant", "x-tenant-id", "tenant-id", "tenant_id"]
        .map(|name| (name, tenant.clone()))
        .into();
    headers.extend([
        ("x-tenant", other.word.to_owned()),
        ("x-original-url", campaign.clone()),
        ("x-rewrite-url", campaign),
        ("x-http-method-override", "DELETE".to_owned()),
        ("x-method-override", "DELETE".to_owned()),
        ("x-forwarded-for", "127.0.0.1".to_owned()),
        ("x-forwarded-user", other.word.to_owned()),
        ("x-remote-user", other.word.to_owned()),
        ("x-api-key", token.clone()),
        ("proxy-authorization", format!("Bearer {token}")),
        ("cookie", format!("token={token}; authorization={token}")),
    ]);
    headers
}

#[tokio::test]
async fn no_header_names_a_tenant_or_changes_what_is_asked() {
    let world = World::new().await;
    let bearer = world.one.bearer.as_str();
    let before = world.rows();
    let operations = Document::get().operations.iter();
    for operation in operations.filter(|operation| operation.secured) {
        let reads = operation.method == Method::GET;
        let right = row_of(operation).right(operation, &world.one);
        for (name, value) in tempting(&world) {
            let dressed = right.clone().header(name, &value);
            // Without a token they are nobody's, whatever else they bring.
            for authorization in [None, reads.then_some(bearer)] {
                if authorization.is_none() || reads {
                    let plain = right.send(&world.server, authorization).await;
                    let reply = dressed.send(&world.server, authorization).await;
                    let what = format!("{} {name}", operation.id);
                    assert_eq!(face(&reply, ""), face(&plain, ""), "{what}");
                }
            }
        }
    }
    assert_eq!(world.rows(), before);
}

/// Two tokens in one request are no token.
#[tokio::test]
async fn a_second_token_opens_nothing() {
    let world = World::new().await;
    let path = format!(
        "/api/v2/voice-campaigns/{}",
        world.other.id("campaign_id", None)
    );
    for pair in [
        [&world.one.bearer, &world.other.bearer],
        [&world.other.bearer, &world.one.bearer],
    ] {
        let ask = Ask::new(Method::GET, &path).header("authorization", pair[1]);
        let reply = ask.send(&world.server, Some(pair[0])).await;
        assert_eq!(reply.code(), "unauthenticated", "{}", reply.body);
    }
}
