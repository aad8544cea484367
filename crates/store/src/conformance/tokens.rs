//! Tenants and tokens.

use super::fixture::{assert_not_found, at, first, fresh, later, morning, tenant};
use crate::{Caller, NewToken, PageRequest, Precondition, Scopes, Store, TokenRecord};

fn new_token(secret: u8) -> NewToken {
    NewToken {
        name: format!("Token {secret}"),
        scopes: Scopes {
            read: true,
            write: true,
            admin: false,
        },
        hash: [secret; 32],
        masked: "cmp_ab…yz".to_owned(),
        expires_at: Some(later(3_600)),
    }
}

async fn token(store: &dyn Store, caller: Caller, secret: u8) -> TokenRecord {
    fresh(
        store
            .create_token(caller, new_token(secret), None)
            .await
            .unwrap(),
    )
}

pub async fn a_tenant_is_made_once(store: &dyn Store) {
    let made = store.ensure_tenant("Acme", morning()).await.unwrap();
    let found = store.ensure_tenant("Acme", later(60)).await.unwrap();
    assert_eq!(made, found);
    assert_eq!(made.created_at, morning());
    let other = store.ensure_tenant("Other", later(60)).await.unwrap();
    assert_ne!(made.tenant_id, other.tenant_id);
}

pub async fn tenants_are_listed_newest_first(store: &dyn Store) {
    for name in ["A", "B", "C"] {
        tenant(store, name).await;
    }
    let page = store.list_tenants(first(2)).await.unwrap();
    let names: Vec<_> = page
        .items
        .iter()
        .map(|tenant| tenant.name.as_str())
        .collect();
    assert_eq!(names, ["C", "B"]);
    let rest = store
        .list_tenants(PageRequest {
            limit: 2,
            before: page.next,
        })
        .await
        .unwrap();
    assert_eq!(rest.items[0].name, "A");
    assert_eq!(rest.next, None);
}

pub async fn a_token_is_found_by_its_hash_in_any_state(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    assert!(!store.has_tokens().await.unwrap());
    let made = token(store, caller, 1).await;
    assert!(store.has_tokens().await.unwrap());
    assert!(made.enabled);
    assert_eq!(made.scopes.names(), ["read", "write"]);
    assert_eq!(
        store.find_token(&[1; 32]).await.unwrap(),
        Some(made.clone())
    );
    assert_eq!(store.find_token(&[2; 32]).await.unwrap(), None);

    let disabled = store
        .set_token_enabled(caller, made.token_id, false, Precondition::None)
        .await
        .unwrap();
    assert!(!disabled.enabled);
    assert_eq!(store.find_token(&[1; 32]).await.unwrap(), Some(disabled));
    let enabled = store
        .set_token_enabled(
            at(caller, later(7_200)),
            made.token_id,
            true,
            Precondition::None,
        )
        .await
        .unwrap();
    let twice_changed = TokenRecord {
        revision: 3,
        ..made
    };
    assert_eq!(enabled, twice_changed);
}

pub async fn tokens_are_listed_newest_first(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let (old, new) = (token(store, caller, 1).await, token(store, caller, 2).await);
    let page = store.list_tokens(caller.tenant_id, first(1)).await.unwrap();
    assert_eq!(page.items, [new]);
    let rest = store
        .list_tokens(
            caller.tenant_id,
            PageRequest {
                limit: 1,
                before: page.next,
            },
        )
        .await
        .unwrap();
    assert_eq!((rest.items, rest.next), (vec![old], None));
}

pub async fn a_deleted_token_is_gone(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let made = token(store, caller, 1).await;
    store
        .delete_token(caller, made.token_id, Precondition::None)
        .await
        .unwrap();
    assert_eq!(store.find_token(&[1; 32]).await.unwrap(), None);
    assert_not_found(
        store.get_token(caller.tenant_id, made.token_id).await,
        "token",
    );
    assert_not_found(
        store
            .delete_token(caller, made.token_id, Precondition::None)
            .await,
        "token",
    );
}

pub async fn tokens_of_another_tenant_are_not_found(store: &dyn Store) {
    let (owner, stranger) = (tenant(store, "Acme").await, tenant(store, "Other").await);
    let made = token(store, owner, 1).await;
    assert_not_found(
        store.get_token(stranger.tenant_id, made.token_id).await,
        "token",
    );
    assert_not_found(
        store
            .set_token_enabled(stranger, made.token_id, false, Precondition::None)
            .await,
        "token",
    );
    assert_not_found(
        store
            .delete_token(stranger, made.token_id, Precondition::None)
            .await,
        "token",
    );
    assert!(
        store
            .list_tokens(stranger.tenant_id, first(10))
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert_eq!(
        store
            .get_token(owner.tenant_id, made.token_id)
            .await
            .unwrap(),
        made
    );
}
