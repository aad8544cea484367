//! What is served is what the document lists, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde_json::Value;

use super::world::Ask;
use crate::contract::Document;
use crate::support::Server;

/// Paths of the router itself, from its own description of itself.
fn served(server: &Server) -> BTreeSet<String> {
    let described = format!("{:?}", server.router);
    let routes = described.split("RouteId(").skip(1);
    let path = |route: &str| {
        let (_, rest) = route.split_once("): \"")?;
        let (number, path) = (route.split(')').next()?, rest.split('"').next()?);
        let is_route = number.bytes().all(|byte| byte.is_ascii_digit());
        (is_route && path.starts_with('/') && route.find("): \"")? == number.len())
            .then(|| path.to_owned())
    };
    let paths = routes.filter_map(path);
    // The fallbacks, which answer 404.
    paths
        .filter(|path| path != "/" && !path.contains("__private__axum_fallback"))
        .collect()
}

/// The tests read the document from the code; clients from the server, with and without a token.
#[tokio::test]
async fn the_document_that_is_served_is_the_one_that_answers_are_held_to() {
    let server = Server::start().await;
    let bearer = format!("Bearer {}", server.token);
    for authorization in [None, Some(bearer.as_str())] {
        let ask = Ask::new(Method::GET, "/openapi.json");
        let reply = ask.send(&server, authorization).await;
        let of_the_code: Value = serde_json::from_str(&api::openapi_json()).unwrap();
        assert_eq!(reply.body, of_the_code);
    }
}

#[tokio::test]
async fn every_path_that_is_served_is_in_the_document_and_no_other() {
    let server = Server::start().await;
    let documented: BTreeSet<_> = Document::get()
        .operations
        .iter()
        .map(|operation| operation.path.clone())
        .collect();
    assert_eq!(served(&server), documented);
    let root = Ask::new(Method::GET, "/").send(&server, None).await;
    assert_eq!((root.status.as_u16(), root.code()), (404, "no_such_route"));
}

#[tokio::test]
async fn every_method_that_is_served_is_in_the_document_and_no_other() {
    let server = Server::start().await;
    let mut documented: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for operation in &Document::get().operations {
        let methods = documented.entry(&operation.path).or_default();
        methods.insert(operation.method.as_str());
        if operation.method == Method::GET {
            methods.insert("HEAD");
        }
    }
    let bearer = format!("Bearer {}", server.token);
    let methods = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PURGE",
    ];
    for (path, served) in documented {
        for method in methods
            .into_iter()
            .filter(|method| !served.contains(method))
        {
            let ask = Ask::new(method.parse().unwrap(), path.replace(['{', '}'], ""));
            let reply = ask.send(&server, Some(&bearer)).await;
            assert_eq!(reply.status, 405, "{method} {path}");
            if method != "HEAD" {
                assert_eq!(reply.code(), "method_not_allowed", "{method} {path}");
            }
            let allowed: BTreeSet<_> = reply.header("allow").split(',').map(str::trim).collect();
            assert_eq!(allowed, served, "{path}");
        }
    }
}
