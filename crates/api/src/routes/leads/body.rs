//! What bodies about leads may hold. They are held against these schemas and then read field by
//! field with [`super::fields`], the same way everywhere.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::body::RequestBody;
use crate::bulk::Bulk;

/// Leads to add.
pub(crate) type LeadCreates = Bulk<LeadCreate>;
/// Changes of leads.
pub(crate) type LeadUpdates = Bulk<LeadUpdate>;
/// Leads to remove.
pub(crate) type LeadRemovals = Bulk<LeadRemoval>;

macro_rules! lead_body {
    ($(#[$doc:meta])* $name:ident { $($own:tt)* }) => {
        $(#[$doc])*
        #[derive(Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "held against its schema, then read field by field")]
        pub(crate) struct $name {
            $($own)*
            /// First name.
            #[schema(max_length = 200, example = "Jane")]
            first_name: Option<String>,
            /// Last name.
            #[schema(max_length = 200, example = "Doe")]
            last_name: Option<String>,
            /// E-mail address.
            #[schema(max_length = 320, example = "jane.doe@example.com")]
            email: Option<String>,
            /// IANA zone of the person.
            #[schema(example = "America/New_York")]
            timezone: Option<String>,
            /// Urgency inside the campaign; 5 when left out.
            #[schema(minimum = 1, maximum = 10)]
            priority: Option<i64>,
            /// No attempt before.
            #[schema(format = DateTime, example = "2026-01-31T09:00:00Z")]
            not_before: Option<String>,
            /// Not supported yet: leave it out.
            region: Option<String>,
            /// Not supported yet: leave it out.
            consent: Option<Value>,
        }

        impl RequestBody for $name {}
    };
}

lead_body! {
    /// A lead to add.
    LeadCreate {
        /// Whom to call, in E.164; the key of the lead in its campaign.
        #[schema(example = "+14155552671")]
        phone_number: String,
        /// Free fields; they reach the assistant as variables. At most 200 keys and 64 KiB.
        #[schema(value_type = Option<Object>, example = json!({ "company": "Acme Corp" }))]
        custom_fields: Option<Map<String, Value>>,
    }
}

lead_body! {
    /// A lead to add, as the first version of the API has it.
    LegacyLeadCreate {
        /// Global id of the token's tenant.
        #[schema(example = "VGVuYW50OjEyMw==")]
        tenant_id: String,
        /// Whom to call, in E.164; the key of the lead in its campaign.
        #[schema(example = "+14155552671")]
        phone_number: String,
        /// Free fields; they reach the assistant as variables. At most 200 keys and 64 KiB.
        #[schema(value_type = Option<Object>, example = json!({ "company": "Acme Corp" }))]
        custom_fields: Option<Map<String, Value>>,
    }
}

lead_body! {
    /// A change of a lead. What is left out stays; `null` clears.
    LeadPatch {
        /// Merged by key; a `null` value removes the key.
        #[schema(value_type = Option<Object>, nullable = false, example = json!({ "plan": "pro" }))]
        custom_fields: Option<Map<String, Value>>,
        /// `true`: opted out, for every campaign of the tenant. `false`: is not, and a lead that is
        /// refuses the change (see `lift_opt_out` of `updateLead`).
        #[schema(nullable = false)]
        do_not_call: Option<bool>,
        /// `true`: an ANSWERED or EXHAUSTED lead is called again, with fresh caps.
        #[schema(nullable = false)]
        mark_as_unanswered: Option<bool>,
    }
}

lead_body! {
    /// A change of the lead with a phone number. What is left out stays; `null` clears.
    LeadUpdate {
        /// Number of the lead to change.
        #[schema(example = "+14155552671")]
        phone_number: String,
        /// Merged by key; a `null` value removes the key.
        #[schema(value_type = Option<Object>, nullable = false, example = json!({ "plan": "pro" }))]
        custom_fields: Option<Map<String, Value>>,
        /// `true`: opted out, for every campaign of the tenant. `false`: is not, and a lead that is
        /// refuses the change (see `lift_opt_out` of `updateLead`).
        #[schema(nullable = false)]
        do_not_call: Option<bool>,
        /// `true`: an ANSWERED or EXHAUSTED lead is called again, with fresh caps.
        #[schema(nullable = false)]
        mark_as_unanswered: Option<bool>,
    }
}

/// Which lead to remove. One of the two is required; with both, `campaign_lead_id` counts.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "held against its schema, then read field by field"
)]
pub(crate) struct LeadRemoval {
    /// Its number.
    #[schema(example = "+14155552671")]
    phone_number: Option<String>,
    /// Its global id.
    #[schema(example = "Vm9pY2VDYW1wYWlnbkxlYWQ6MTIzNA==")]
    campaign_lead_id: Option<String>,
}

impl RequestBody for LeadRemoval {}

lead_body! {
    /// A change of the lead with a phone number, as the first version of the API has it.
    LegacyLeadUpdate {
        /// Global id of the token's tenant, if it is named.
        #[schema(nullable = false, example = "VGVuYW50OjEyMw==")]
        tenant_id: Option<String>,
        /// Number of the lead to change.
        #[schema(example = "+14155552671")]
        phone_number: String,
        /// Merged by key; a `null` value removes the key.
        #[schema(value_type = Option<Object>, nullable = false, example = json!({ "plan": "pro" }))]
        custom_fields: Option<Map<String, Value>>,
        /// `true`: opted out, for every campaign of the tenant. `false`: is not, and a lead that is
        /// refuses the change (see `lift_opt_out` of `updateLead`).
        #[schema(nullable = false)]
        do_not_call: Option<bool>,
        /// `true`: an ANSWERED or EXHAUSTED lead is called again, with fresh caps.
        #[schema(nullable = false)]
        mark_as_unanswered: Option<bool>,
    }
}

/// Which lead to remove, as the first version of the API has it. One of the two is required; with
/// both, `campaign_lead_id` counts.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "held against its schema, then read field by field"
)]
pub(crate) struct LegacyLeadRemoval {
    /// Global id of the token's tenant, if it is named.
    #[schema(nullable = false, example = "VGVuYW50OjEyMw==")]
    tenant_id: Option<String>,
    /// Its number.
    #[schema(example = "+14155552671")]
    phone_number: Option<String>,
    /// Its global id.
    #[schema(example = "Vm9pY2VDYW1wYWlnbkxlYWQ6MTIzNA==")]
    campaign_lead_id: Option<String>,
}

impl RequestBody for LegacyLeadRemoval {}
