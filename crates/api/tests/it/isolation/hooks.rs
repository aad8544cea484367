//! Callbacks: no token, but a key in the address and the vendor's own proof.

use http::Method;
use serde_json::Value;

use super::database::difference;
use super::matrix::{Trial, face};
use super::world::{Ask, Tenant};

const PROOF: &str = "x-vapi-secret";

/// A callback acts with the line's own proof only, and on the calls of that line only.
pub(super) async fn try_operation(trial: &Trial<'_>) -> usize {
    let (owner, other) = (&trial.world.one, &trial.world.other);
    let body = (trial.row.body.unwrap())(owner);
    let right = ask(trial, owner, owner, owner, &body);
    let mut cells = unproven(trial, &right).await;

    // Another's proof on the owner's line is no proof, and the answer says no more than without.
    let before = trial.world.rows();
    let none = trial.send(&right, None).await;
    let foreign = right
        .clone()
        .header(PROOF, other.id("webhook_secret", None));
    let foreign = trial.send(&foreign, None).await;
    assert_eq!(face(&foreign, ""), face(&none, ""));

    // An address that nobody has, and the right key under another vendor's name.
    let line_key = owner.id("line_key", None);
    for path in [
        right.path.replace(line_key, "n0b0dyhasthiskey"),
        right.path.replace("/hooks/vapi/", "/hooks/retell/"),
    ] {
        let ask = Ask {
            path,
            ..right.clone()
        };
        let proven = ask.header(PROOF, owner.id("webhook_secret", None));
        let reply = trial.send(&proven, None).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (404, "not_found"));
        cells += 1;
    }
    trial.unchanged(&before, "unproven callbacks");
    cells += 1 + through_own_line(trial, &body).await;

    let others = trial.world.database.rows_of(other.tenant_id);
    let kept = trial.world.database.rows_of(owner.tenant_id);
    let proven = right.header(PROOF, owner.id("webhook_secret", None));
    let reply = trial.send(&proven, None).await;
    assert_eq!(reply.status, trial.row.success, "{}", reply.body);
    let after = trial.world.database.rows_of(other.tenant_id);
    assert_eq!(difference(&others, &after), None);
    let told = difference(&kept, &trial.world.database.rows_of(owner.tenant_id));
    assert!(
        told.is_some(),
        "the right report has no effect: nothing was tried"
    );
    cells + 1
}

/// Tokens of the API prove nothing here.
async fn unproven(trial: &Trial<'_>, right: &Ask) -> usize {
    let before = trial.world.rows();
    let expected = trial.send(right, None).await;
    assert_eq!(
        (expected.status.as_u16(), expected.code()),
        (401, "callback_unauthentic")
    );
    assert_eq!(expected.header("www-authenticate"), "Bearer");
    let mut headers = trial.credentials.clone();
    for tenant in [&trial.world.one, &trial.world.other] {
        headers.push(("a token", Some(tenant.bearer.clone())));
        headers.push(("lower scope", Some(tenant.weak["none"].clone())));
    }
    for (name, authorization) in &headers {
        let reply = trial.send(right, authorization.as_deref()).await;
        assert_eq!(face(&reply, ""), face(&expected, ""), "{name}");
    }
    trial.unchanged(&before, "tokens at a callback address");
    headers.len()
}

/// With the proof of one's own line, another's call cannot be touched, by any of its names: the
/// key in the address, the key echoed, the vendor's id.
async fn through_own_line(trial: &Trial<'_>, body: &Value) -> usize {
    let (owner, other) = (&trial.world.one, &trial.world.other);
    let nobody = |text: String| {
        text.replace(owner.id("attempt_key", None), "att_n0b0dy")
            .replace(owner.word, "nobody")
    };
    let before = trial.world.rows();
    let mut cells = 0;
    for line in [other, owner] {
        let role = if line.word == owner.word {
            "line_key/spare"
        } else {
            "line_key"
        };
        let ask = |key_of: &Tenant| {
            let ask = ask(trial, line, key_of, owner, body);
            let path = ask
                .path
                .replace(line.id("line_key", None), line.id(role, None));
            Ask { path, ..ask }.header(PROOF, line.id("webhook_secret", None))
        };
        let foreign = ask(owner);
        let missing = Ask {
            path: nobody(foreign.path.clone()),
            body: foreign.body.clone().map(nobody),
            ..foreign.clone()
        };
        let foreign = trial.send(&foreign, None).await;
        let missing = trial.send(&missing, None).await;
        assert_eq!(foreign.status, 200, "{}", foreign.body);
        assert_eq!(face(&foreign, ""), face(&missing, ""));
        trial.unchanged(&before, "a report about another's call");
        cells += 1;
    }
    cells
}

fn ask(trial: &Trial<'_>, line: &Tenant, key: &Tenant, _call: &Tenant, body: &Value) -> Ask {
    let path = trial.operation.path_with(|name| match name {
        "attempt_key" => key.id(name, None).to_owned(),
        name => line.id(name, None).to_owned(),
    });
    Ask::new(Method::POST, path).json(body)
}
