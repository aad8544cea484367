//! What the write operations take and answer.

use std::sync::Arc;

use domain::attempt::StateName;
use domain::campaign::{CampaignCommand, CampaignStatus, CampaignType, LeadStatus};
use domain::settings::{CampaignSettings, SettingsDraft};
use domain::{CampaignId, LeadId, LineId, Outcome, PhoneNumber, TenantId, TokenId};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::precondition::Precondition;
use crate::records::{
    CampaignRecord, LeadField, LeadFields, LeadRecord, LineRecord, PoolNumber, PoolStrategy, Scopes,
};

/// Who asks, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The tenant; everything is scoped to it.
    pub tenant_id: TenantId,
    /// The token; `None` for the server itself and the command line.
    pub token_id: Option<TokenId>,
    /// Now.
    pub now: Timestamp,
}

/// How long an idempotency key is kept.
pub const IDEMPOTENCY_HOURS: i64 = 24;

/// Identity of a request that must have one effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The caller's key.
    pub key: String,
    /// Method and path.
    pub operation: String,
    /// Hash of query and body.
    pub fingerprint: [u8; 32],
}

/// An answer kept for replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// HTTP status.
    pub status: u16,
    /// Revision of the object in it, where the answer told it in its `ETag`.
    pub revision: Option<i64>,
    /// Body, byte for byte.
    pub body: Vec<u8>,
}

/// An idempotency key with the way to render the answer that is kept with the effect, in the same
/// transaction.
pub struct Idempotent<T> {
    /// The key.
    pub key: IdempotencyKey,
    /// Renders the answer from the effect. Pure and quick: it runs inside the writer.
    pub render: Box<dyn FnOnce(&T) -> StoredAnswer + Send>,
}

/// What a write did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written<T> {
    /// It was done now.
    Fresh(T),
    /// It was done before, with this answer.
    Replayed(StoredAnswer),
}

/// A token to make.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Display name.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    /// First and last characters.
    pub masked: String,
    /// From when on it does not authenticate.
    pub expires_at: Option<Timestamp>,
}

/// A line to make. The sealed fields are bound to `line_key`, see [`crate::Vault`].
#[derive(Debug, Clone)]
pub struct NewLine {
    /// Vendor, spelled as in the API.
    pub provider: String,
    /// Display name.
    pub name: String,
    /// Root of the vendor's API.
    pub base_url: Option<String>,
    /// Sealed credentials.
    pub sealed_credentials: Vec<u8>,
    /// Sealed secret of callbacks.
    pub sealed_webhook_secret: Vec<u8>,
    /// Unguessable part of the callback address.
    pub line_key: String,
    /// Most calls at once.
    pub max_concurrent_calls: u32,
    /// Most calls started per second.
    pub max_calls_per_second: u32,
}

/// A change of a line; absent fields stay.
#[derive(Debug, Clone, Default)]
pub struct LineChange {
    /// Display name.
    pub name: Option<String>,
    /// Root of the vendor's API (`Some(None)` clears it).
    pub base_url: Option<Option<String>>,
    /// Sealed credentials.
    pub sealed_credentials: Option<Vec<u8>>,
    /// Sealed secret of callbacks.
    pub sealed_webhook_secret: Option<Vec<u8>>,
    /// Most calls at once.
    pub max_concurrent_calls: Option<u32>,
    /// Most calls started per second.
    pub max_calls_per_second: Option<u32>,
}

impl LineChange {
    /// The line after this change, at its old revision.
    pub fn onto(&self, before: &LineRecord) -> LineRecord {
        let Self {
            name,
            base_url,
            sealed_credentials,
            sealed_webhook_secret,
            max_concurrent_calls,
            max_calls_per_second,
        } = self.clone();
        let old = before.clone();
        LineRecord {
            name: name.unwrap_or(old.name),
            base_url: base_url.unwrap_or(old.base_url),
            sealed_credentials: sealed_credentials.unwrap_or(old.sealed_credentials),
            sealed_webhook_secret: sealed_webhook_secret.unwrap_or(old.sealed_webhook_secret),
            max_concurrent_calls: max_concurrent_calls.unwrap_or(old.max_concurrent_calls),
            max_calls_per_second: max_calls_per_second.unwrap_or(old.max_calls_per_second),
            ..old
        }
    }
}

/// A pool to make, or the whole of what a pool becomes.
#[derive(Debug, Clone)]
pub struct PoolContent {
    /// Display name.
    pub name: String,
    /// The line its numbers belong to.
    pub line_id: LineId,
    /// How it rotates.
    pub strategy: PoolStrategy,
    /// Its numbers.
    pub numbers: Vec<PoolNumber>,
}

/// A campaign to make.
#[derive(Debug, Clone)]
pub struct NewCampaign {
    /// Direction.
    pub kind: CampaignType,
    /// Settings as requested.
    pub draft: SettingsDraft,
    /// The same, parsed.
    pub settings: Arc<CampaignSettings>,
    /// Whether the provider check was skipped.
    pub unverified: bool,
    /// Also take over the leads of this campaign, as READY with fresh caps.
    pub leads_of: Option<CampaignId>,
}

/// New settings for a campaign.
#[derive(Debug, Clone)]
pub struct CampaignUpdate {
    /// The campaign.
    pub campaign_id: CampaignId,
    /// Revision the draft was merged from; another one now is [`crate::StoreError::Stale`].
    pub base_revision: i64,
    /// The whole merged draft.
    pub draft: Arc<SettingsDraft>,
    /// The same, parsed.
    pub settings: Arc<CampaignSettings>,
    /// Whether the provider check was skipped; `None` keeps what was.
    pub unverified: Option<bool>,
}

/// A life-cycle command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignOrder {
    /// The campaign.
    pub campaign_id: CampaignId,
    /// What to do.
    pub command: CampaignCommand,
    /// At which revision.
    pub precondition: Precondition,
}

/// What a life-cycle command did.
#[derive(Debug, Clone)]
pub struct OrderDone {
    /// The campaign after it.
    pub campaign: CampaignRecord,
    /// Whether anything changed.
    pub changed: bool,
    /// Calls that are still up.
    pub live_calls: Vec<crate::records::CallRecord>,
}

/// Which campaigns to list.
#[derive(Debug, Clone, Default)]
pub struct CampaignFilter {
    /// Only in this status.
    pub status: Option<CampaignStatus>,
    /// Only of this direction.
    pub kind: Option<CampaignType>,
    /// Only whose name contains this, ignoring ASCII case.
    pub name: Option<String>,
}

/// A lead to add.
#[derive(Debug, Clone)]
pub struct NewLead {
    /// Whom to call.
    pub phone: PhoneNumber,
    /// What is known of the person. A lead that is there already keeps what is not known here.
    pub fields: LeadFields,
    /// What a lead that is there already loses: fields that were given as `null`.
    pub cleared: Vec<LeadField>,
}

impl NewLead {
    /// A lead of whom nothing is cleared.
    pub const fn new(phone: PhoneNumber, fields: LeadFields) -> Self {
        Self {
            phone,
            fields,
            cleared: Vec::new(),
        }
    }
}

/// What to do with a lead that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDuplicate {
    /// Change it as an update would.
    Update,
    /// Leave it.
    Skip,
}

/// What adding a lead did.
#[derive(Debug, Clone)]
pub struct LeadAdded {
    /// The lead after it.
    pub lead: LeadRecord,
    /// Whether it is new.
    pub created: bool,
}

/// How to find a lead inside a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeadKey {
    /// By id.
    Id(LeadId),
    /// By number.
    Phone(PhoneNumber),
}

/// A change of a lead; absent fields stay, `Some(None)` clears.
#[derive(Debug, Clone, Default)]
pub struct LeadChange {
    /// First name.
    pub first_name: Option<Option<String>>,
    /// Last name.
    pub last_name: Option<Option<String>>,
    /// E-mail address.
    pub email: Option<Option<String>>,
    /// Merged by key; a `null` value removes the key.
    pub custom_fields: Option<Map<String, Value>>,
    /// IANA zone of the person.
    pub timezone: Option<Option<String>>,
    /// Urgency inside the campaign.
    pub priority: Option<Option<u8>>,
    /// No attempt before.
    pub not_before: Option<Option<Timestamp>>,
    /// Whether the person opted out of every campaign of the tenant.
    pub do_not_call: Option<OptOut>,
    /// `true`: an ANSWERED or EXHAUSTED lead goes back to READY with fresh caps.
    pub mark_as_unanswered: Option<bool>,
}

/// What a change of a lead says of the person's opt-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptOut {
    /// There is one, from now on and for every campaign of the tenant.
    Enter,
    /// There is none. Said by whoever repeats all fields of a lead, and therefore never enough to
    /// lift one: where there is one, the change is refused.
    Deny,
    /// Whatever there is is lifted, in every campaign of the tenant. Said on purpose.
    Lift,
}

/// Which leads to list.
#[derive(Debug, Clone, Default)]
pub struct LeadFilter {
    /// Only in this status.
    pub status: Option<LeadStatus>,
    /// Only whose last attempt ended so.
    pub outcome: Option<Outcome>,
    /// Only this number.
    pub phone: Option<PhoneNumber>,
    /// Only whose number, name or e-mail contains this, ignoring ASCII case.
    pub text: Option<String>,
}

/// One call without a lead, to try a campaign out.
#[derive(Debug, Clone)]
pub struct TestCall {
    /// The campaign to try.
    pub campaign_id: CampaignId,
    /// Whom to call.
    pub phone: PhoneNumber,
    /// Its key: see [`crate::KeySource`].
    pub attempt_key: String,
    /// At which revision the campaign is to be tried.
    pub precondition: Precondition,
}

/// Which calls to list.
#[derive(Debug, Clone, Default)]
pub struct CallFilter {
    /// Only of this campaign.
    pub campaign_id: Option<CampaignId>,
    /// Only in this state.
    pub state: Option<StateName>,
    /// Only that ended so.
    pub outcome: Option<Outcome>,
    /// Only to this number.
    pub phone: Option<PhoneNumber>,
    /// Only planned at or after.
    pub from: Option<Timestamp>,
    /// Only planned before.
    pub to: Option<Timestamp>,
}

/// Calls and outcomes of one number of a pool, over the last 24 hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberHealth {
    /// Vendor-native id.
    pub phone_number_id: String,
    /// Calls from it that are up.
    pub live_calls: u32,
    /// Calls that counted.
    pub calls: u32,
    /// Of these, answered.
    pub answered: u32,
    /// Of the answered, shorter than six seconds.
    pub short_calls: u32,
    /// Rests until then.
    pub rests_until: Option<Timestamp>,
}
