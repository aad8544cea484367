//! What the document cannot say of an operation: on which objects it succeeds, and with what.

use serde_json::{Value, json};

use super::world::{Ask, Tenant};
use crate::contract::Operation;

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Read,
    Write,
    Admin,
    /// Anybody, without a token.
    Anybody,
    /// The vendor, by its own proof.
    Vendor,
}

impl Scope {
    /// Every scope that is not enough.
    pub(super) const fn lower(self) -> &'static [&'static str] {
        match self {
            Self::Read => &["none"],
            Self::Write => &["none", "read"],
            Self::Admin => &["none", "read", "write"],
            Self::Anybody | Self::Vendor => &[],
        }
    }
}

/// One operation.
pub(crate) struct Row {
    pub(super) operation: &'static str,
    pub(crate) scope: Scope,
    /// Status of success.
    pub(super) success: u16,
    /// Which of the tenant's objects it succeeds on, where it is not the usual one.
    roles: &'static [(&'static str, &'static str)],
    pub(crate) body: Option<fn(&Tenant) -> Value>,
    /// Whether the body finds a lead by its number.
    pub(super) by_phone: bool,
}

impl Row {
    const fn new(operation: &'static str, scope: Scope, success: u16) -> Self {
        Self {
            operation,
            scope,
            success,
            roles: &[],
            body: None,
            by_phone: false,
        }
    }

    const fn on(mut self, roles: &'static [(&'static str, &'static str)]) -> Self {
        self.roles = roles;
        self
    }

    const fn with(mut self, body: fn(&Tenant) -> Value) -> Self {
        self.body = Some(body);
        self
    }

    const fn by_phone(mut self) -> Self {
        self.by_phone = true;
        self
    }

    fn role(&self, parameter: &str) -> Option<&'static str> {
        let found = self.roles.iter().find(|(name, _)| *name == parameter);
        found.map(|(_, role)| *role)
    }

    /// The tenant's own object for a path parameter.
    pub(super) fn own<'a>(&self, tenant: &'a Tenant, parameter: &str) -> &'a str {
        tenant.id(parameter, self.role(parameter))
    }

    /// The request of `tenant` on its own objects.
    pub(crate) fn right(&self, operation: &Operation, tenant: &Tenant) -> Ask {
        let path = operation.path_with(|name| self.own(tenant, name).to_owned());
        let ask = Ask::new(operation.method.clone(), path);
        match self.body {
            Some(body) => ask.json(&body(tenant)),
            None => ask,
        }
    }
}

/// The row of an operation.
pub(crate) fn row_of(operation: &Operation) -> &'static Row {
    let found = ROWS.iter().find(|row| row.operation == operation.id);
    found.unwrap_or_else(|| {
        panic!(
            "`{}` ({} {}) is in the document but not in the matrix: add a row to `ROWS` in \
             crates/api/tests/it/isolation/rows.rs with the scope it needs, its status of success, \
             the object it succeeds on and its body; objects of a new kind are made in `furnish` of \
             isolation/world.rs, for both tenants",
            operation.id, operation.method, operation.path
        )
    })
}

/// Every operation of the document.
pub(super) const ROWS: &[Row] = &[
    Row::new("receiveCallback", Scope::Vendor, 200).with(live_report),
    Row::new("receiveAttemptCallback", Scope::Vendor, 200).with(live_report),
    Row::new("livez", Scope::Anybody, 200),
    Row::new("readyz", Scope::Anybody, 200),
    Row::new("metrics", Scope::Anybody, 200),
    Row::new("openapi", Scope::Anybody, 200),
    Row::new("docs", Scope::Anybody, 200),
    Row::new("listCampaigns", Scope::Read, 200),
    Row::new("createCampaign", Scope::Write, 201).with(Tenant::campaign_body),
    Row::new("getCampaign", Scope::Read, 200),
    Row::new("deleteCampaign", Scope::Write, 200).on(DRAFT),
    Row::new("updateCampaign", Scope::Write, 200).with(|tenant| json!({ "name": tenant.word })),
    Row::new("startCampaign", Scope::Write, 200).on(DRAFT),
    Row::new("pauseCampaign", Scope::Write, 200),
    Row::new("resumeCampaign", Scope::Write, 200).on(&[("campaign_id", "paused")]),
    Row::new("stopCampaign", Scope::Write, 200),
    Row::new("archiveCampaign", Scope::Write, 200).on(&[("campaign_id", "stopped")]),
    Row::new("duplicateCampaign", Scope::Write, 201).with(|_| json!({ "include_leads": true })),
    Row::new("listCampaignRevisions", Scope::Read, 200),
    Row::new("listLeads", Scope::Read, 200),
    Row::new("addLead", Scope::Write, 201).with(|tenant| tenant.lead_body(50)),
    Row::new("addLeads", Scope::Write, 202).with(|tenant| json!([tenant.lead_body(51)])),
    Row::new("updateLeads", Scope::Write, 200)
        .with(|tenant| json!([{ "phone_number": tenant.phone(3), "first_name": "New" }]))
        .by_phone(),
    Row::new("removeLeads", Scope::Write, 200)
        .with(|tenant| json!([{ "phone_number": tenant.phone(3) }]))
        .by_phone(),
    Row::new("getLead", Scope::Read, 200),
    Row::new("deleteLead", Scope::Write, 200),
    Row::new("updateLead", Scope::Write, 200).with(|_| json!({ "do_not_call": true })),
    Row::new("addLeadV1", Scope::Write, 201).with(|tenant| {
        let mut body = tenant.lead_body(52);
        body["tenant_id"] = json!(tenant.id("tenant_id", None));
        body
    }),
    Row::new("updateLeadV1", Scope::Write, 200)
        .with(|tenant| json!({ "phone_number": tenant.phone(3), "last_name": "New" }))
        .by_phone(),
    Row::new("removeLeadV1", Scope::Write, 200)
        .with(|tenant| json!({ "phone_number": tenant.phone(3) }))
        .by_phone(),
    Row::new("getImport", Scope::Read, 200),
    Row::new("listCalls", Scope::Read, 200),
    Row::new("listCampaignCalls", Scope::Read, 200),
    Row::new("getCall", Scope::Read, 200),
    Row::new("exportCalls", Scope::Read, 200),
    Row::new("exportCampaignCalls", Scope::Read, 200),
    Row::new("hangUpCall", Scope::Write, 200),
    Row::new("placeTestCall", Scope::Write, 202)
        .with(|tenant| json!({ "phone_number": tenant.phone(199) })),
    Row::new("listVoiceProviders", Scope::Read, 200),
    Row::new("createVoiceProvider", Scope::Admin, 201).with(|tenant| {
        json!({ "provider": "VAPI", "name": tenant.word, "credentials": { "api_key": tenant.secrets[1] } })
    }),
    Row::new("getVoiceProvider", Scope::Read, 200),
    Row::new("deleteVoiceProvider", Scope::Admin, 200)
        .on(&[("tenant_voice_provider_id", "bare")]),
    Row::new("updateVoiceProvider", Scope::Admin, 200)
        .with(|tenant| json!({ "name": format!("{} renamed", tenant.word) })),
    Row::new("verifyVoiceProvider", Scope::Admin, 200),
    Row::new("listAssistants", Scope::Read, 200),
    Row::new("listPhoneNumbers", Scope::Read, 200),
    Row::new("listPhoneNumberPools", Scope::Read, 200),
    Row::new("createPhoneNumberPool", Scope::Write, 201).with(|tenant| {
        json!({ "name": tenant.word, "phone_numbers": [{ "phone_number_id": format!("pn_{}", tenant.word) }],
            "tenant_voice_provider_id": tenant.id("tenant_voice_provider_id", None) })
    }),
    Row::new("getPhoneNumberPool", Scope::Read, 200),
    Row::new("deletePhoneNumberPool", Scope::Write, 200).on(&[("phone_number_pool_id", "spare")]),
    Row::new("updatePhoneNumberPool", Scope::Write, 200)
        .with(|tenant| json!({ "name": format!("{} renamed", tenant.word) })),
    Row::new("getPhoneNumberPoolHealth", Scope::Read, 200),
    Row::new("getTenant", Scope::Read, 200),
    Row::new("updateTenant", Scope::Admin, 200)
        .with(|tenant| json!({ "test_call_numbers": [tenant.phone(198)] })),
    Row::new("listTokens", Scope::Read, 200),
    Row::new("createToken", Scope::Admin, 201)
        .with(|tenant| json!({ "name": tenant.word, "scopes": ["read"] })),
    Row::new("getToken", Scope::Read, 200),
    Row::new("deleteToken", Scope::Admin, 200),
    Row::new("updateToken", Scope::Admin, 200).with(|_| json!({ "enabled": false })),
];

const DRAFT: &[(&str, &str)] = &[("campaign_id", "draft")];

fn live_report(tenant: &Tenant) -> Value {
    let call = tenant.id("call_id", None);
    let (_, number) = super::leaks::kind_of(call).unwrap();
    let key = tenant.id("attempt_key", None);
    tenant.report(key, &format!("call-{number}"), "end-of-call-report")
}
