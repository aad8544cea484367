use http::Method;
use serde_json::{Value, json};

use crate::scene::hidden_from_strangers;
use crate::support::{Server, global};

const PHONE: &str = "+14155552671";

async fn campaign(server: &Server) -> String {
    let line = server.line().await;
    format!("/v1/api/voice-campaigns/{}", server.campaign(line).await)
}

fn done(message: &str) -> Value {
    json!({ "status": "success", "message": message })
}

#[tokio::test]
async fn the_three_calls_answer_as_the_existing_api_does() {
    let server = Server::start().await;
    let campaign = campaign(&server).await;
    let tenant = server.get("/api/v2/tenant").await.body["data"]["tenant_id"].clone();
    assert_eq!(tenant, global("Tenant", server.tenant_id.raw()));

    let body = json!({ "tenant_id": tenant, "phone_number": PHONE, "custom_fields": { "company": "Acme Corp" } });
    let added = server.post(&format!("{campaign}/leads"), &body).await;
    assert_eq!(
        (added.status.as_u16(), added.body),
        (201, done("Lead added to the campaign successfully"))
    );
    let again = server.post(&format!("{campaign}/leads"), &body).await;
    assert_eq!(again.status, 200);

    let update =
        json!({ "phone_number": PHONE, "first_name": "Jane", "custom_fields": { "plan": "pro" } });
    let updated = server
        .patch(&format!("{campaign}/lead/update"), &update)
        .await;
    assert_eq!(
        (updated.status.as_u16(), updated.body),
        (200, done("Lead updated successfully"))
    );
    let leads = server
        .get(&format!("{}/leads", campaign.replace("/v1/api", "/api/v2")))
        .await;
    let lead = &leads.body["data"][0];
    assert_eq!(
        lead["custom_fields"],
        json!({ "company": "Acme Corp", "plan": "pro" })
    );

    let removed = server
        .delete_with(
            &format!("{campaign}/lead/remove"),
            &json!({ "phone_number": PHONE }),
        )
        .await;
    assert_eq!(
        (removed.status.as_u16(), removed.body),
        (200, done("Lead removed successfully"))
    );
    let gone = json!({ "campaign_lead_id": lead["campaign_lead_id"] });
    assert_eq!(
        server
            .delete_with(&format!("{campaign}/lead/remove"), &gone)
            .await
            .status,
        404
    );
    assert_eq!(
        server
            .patch(&format!("{campaign}/lead/update"), &update)
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn the_tenant_must_be_the_tokens() {
    let server = Server::start().await;
    let path = format!("{}/leads", campaign(&server).await);
    let body = |tenant: Value| json!({ "tenant_id": tenant, "phone_number": PHONE });
    let foreign = server.post(&path, &body(json!(global("Tenant", 1)))).await;
    assert_eq!(
        (foreign.status.as_u16(), foreign.code()),
        (403, "wrong_tenant")
    );
    assert_eq!(
        server.post(&path, &body(json!("x"))).await.faults(),
        ["tenant_id: invalid_id"]
    );
    assert_eq!(
        server
            .post(&path, &body(json!("VoiceCall:1")))
            .await
            .faults(),
        ["tenant_id: wrong_id_type"]
    );
    assert_eq!(
        server.post(&path, &body(Value::Null)).await.faults(),
        ["tenant_id: not_nullable"]
    );
    assert_eq!(
        server
            .post(&path, &json!({ "phone_number": "x" }))
            .await
            .faults(),
        ["phone_number: invalid_format", "tenant_id: required"]
    );
}

#[tokio::test]
async fn faults_and_strangers_are_treated_as_in_version_2() {
    let server = Server::start().await;
    let campaign = campaign(&server).await;
    let path = format!("{campaign}/lead/remove");
    assert_eq!(
        server.delete_with(&path, &json!({})).await.faults(),
        ["phone_number: required"]
    );
    assert_eq!(
        server
            .delete_with(&path, &json!({ "phone_number": "x" }))
            .await
            .faults(),
        ["phone_number: invalid_format"]
    );
    assert_eq!(
        server
            .delete_with(&path, &json!({ "campaign_lead_id": "x" }))
            .await
            .faults(),
        ["campaign_lead_id: invalid_id"]
    );
    let body = json!({ "phone_number": PHONE });
    let nowhere = "/v1/api/voice-campaigns/VoiceCampaign:1";
    for (method, rest) in [
        (Method::PATCH, "/lead/update"),
        (Method::DELETE, "/lead/remove"),
    ] {
        let (path, nowhere) = (format!("{campaign}{rest}"), format!("{nowhere}{rest}"));
        hidden_from_strangers(&server, method, &path, &nowhere, Some(&body)).await;
    }
}

#[tokio::test]
async fn a_tenant_that_is_named_in_a_change_or_a_removal_must_be_the_tokens() {
    let server = Server::start().await;
    let campaign = campaign(&server).await;
    let own = server.get("/api/v2/tenant").await.body["data"]["tenant_id"].clone();
    let body = |tenant: Value| json!({ "tenant_id": tenant, "phone_number": PHONE });
    let path = format!("{campaign}/leads");
    assert_eq!(server.post(&path, &body(own.clone())).await.status, 201);
    for (method, rest) in [
        (Method::PATCH, "/lead/update"),
        (Method::DELETE, "/lead/remove"),
    ] {
        let path = format!("{campaign}{rest}");
        let send = async |tenant: Value| {
            let call = server.request(method.clone(), &path).json(&body(tenant));
            call.send().await
        };
        let foreign = send(json!(global("Tenant", 1))).await;
        assert_eq!(
            (foreign.status.as_u16(), foreign.code()),
            (403, "wrong_tenant")
        );
        assert_eq!(send(json!("x")).await.faults(), ["tenant_id: invalid_id"]);
        assert_eq!(
            send(Value::Null).await.faults(),
            ["tenant_id: not_nullable"]
        );
        let done = send(own.clone()).await;
        assert_eq!(done.status, 200, "{}", done.body);
    }
}
