//! Objects as they are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::attempt::StateName;
use domain::campaign::{CampaignStatus, CampaignType, LeadStatus, StatusReason};
use domain::settings::{CampaignSettings, SettingsDraft};
use domain::{
    AttemptId, CampaignId, ImportId, LeadId, LineId, Outcome, PhoneNumber, PoolId, TenantId,
    TokenId,
};
use jiff::Timestamp;
use serde_json::{Map, Value};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantRecord {
    /// Its id.
    pub tenant_id: TenantId,
    /// Its unique name.
    pub name: String,
    /// Numbers that test calls may go to.
    pub test_call_numbers: Vec<PhoneNumber>,
    /// Counts changes.
    pub revision: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes {
    /// Read everything of the tenant.
    pub read: bool,
    /// Change campaigns, leads, pools.
    pub write: bool,
    /// Manage tokens, providers and tenant settings.
    pub admin: bool,
}

impl Scopes {
    /// The scopes as words, in the order of the contract.
    pub fn names(self) -> Vec<&'static str> {
        let all = [
            ("read", self.read),
            ("write", self.write),
            ("admin", self.admin),
        ];
        all.into_iter()
            .filter_map(|(name, held)| held.then_some(name))
            .collect()
    }

    /// The scopes with these names; `None` if a name is unknown.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut scopes = Self::default();
        for name in names {
            match name {
                "read" => scopes.read = true,
                "write" => scopes.write = true,
                "admin" => scopes.admin = true,
                _ => return None,
            }
        }
        Some(scopes)
    }
}

/// A token. The secret itself is never stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its id.
    pub token_id: TokenId,
    /// Its tenant.
    pub tenant_id: TenantId,
    /// Display name.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// Whether it authenticates.
    pub enabled: bool,
    /// First and last characters, to recognise it.
    pub masked: String,
    /// From when on it does not authenticate.
    pub expires_at: Option<Timestamp>,
    /// Counts changes.
    pub revision: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A line: a tenant's account at a vendor.
#[derive(Debug, Clone)]
pub struct LineRecord {
    /// Its id.
    pub line_id: LineId,
    /// Its tenant.
    pub tenant_id: TenantId,
    /// Vendor, spelled as in the API.
    pub provider: String,
    /// Display name.
    pub name: String,
    /// Root of the vendor's API, when not the vendor's own.
    pub base_url: Option<String>,
    /// Credentials, sealed by the [`crate::Vault`].
    pub sealed_credentials: Vec<u8>,
    /// Secret of callbacks, sealed.
    pub sealed_webhook_secret: Vec<u8>,
    /// Unguessable part of the callback address.
    pub line_key: String,
    /// Most calls at once.
    pub max_concurrent_calls: u32,
    /// Most calls started per second.
    pub max_calls_per_second: u32,
    /// Counts changes.
    pub revision: i64,
    /// Rests until then.
    pub rests_until: Option<Timestamp>,
    /// Why it rests, for people.
    pub rest_reason: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// How a pool rotates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolStrategy {
    /// The number that was used longest ago.
    LeastRecentlyUsed,
    /// In the order of the list.
    RoundRobin,
}

impl PoolStrategy {
    /// Puts numbers, which come in the order of the list, in the order in which they shall be tried.
    /// `last_used` grows with every use and is 0 for a number that never was.
    pub fn put_in_order<T>(self, numbers: &mut [T], last_used: impl Fn(&T) -> i64) {
        match self {
            Self::LeastRecentlyUsed => numbers.sort_by_key(last_used),
            Self::RoundRobin => {
                let newest = (0..numbers.len()).max_by_key(|index| last_used(&numbers[*index]));
                if let Some(newest) = newest.filter(|index| last_used(&numbers[*index]) > 0) {
                    let next = (newest + 1) % numbers.len();
                    numbers.rotate_left(next);
                }
            }
        }
    }

    /// The spelling of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LeastRecentlyUsed => "LEAST_RECENTLY_USED",
            Self::RoundRobin => "ROUND_ROBIN",
        }
    }

    /// The strategy with this spelling.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "LEAST_RECENTLY_USED" => Some(Self::LeastRecentlyUsed),
            "ROUND_ROBIN" => Some(Self::RoundRobin),
            _ => None,
        }
    }
}

/// A number of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolNumber {
    /// Vendor-native id.
    pub phone_number_id: String,
    /// The number itself, if known.
    pub e164: Option<String>,
    /// Most calls at once from it.
    pub max_concurrent_calls: Option<u32>,
    /// Whether it is used.
    pub enabled: bool,
}

/// A pool of caller numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRecord {
    /// Its id.
    pub pool_id: PoolId,
    /// Its tenant.
    pub tenant_id: TenantId,
    /// Display name.
    pub name: String,
    /// The line its numbers belong to.
    pub line_id: LineId,
    /// How it rotates.
    pub strategy: PoolStrategy,
    /// Its numbers, in the user's order.
    pub numbers: Vec<PoolNumber>,
    /// Counts changes.
    pub revision: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// How many leads are in each status; every status is present.
pub type LeadCounts = BTreeMap<&'static str, u64>;

/// A campaign.
#[derive(Debug, Clone)]
pub struct CampaignRecord {
    /// Its id.
    pub campaign_id: CampaignId,
    /// Its tenant.
    pub tenant_id: TenantId,
    /// Direction.
    pub kind: CampaignType,
    /// Where it is in its life.
    pub status: CampaignStatus,
    /// Why it does or does not dial, while RUNNING.
    pub status_reason: Option<StatusReason>,
    /// Settings as requested.
    pub draft: Arc<SettingsDraft>,
    /// Settings as parsed.
    pub settings: Arc<CampaignSettings>,
    /// Counts changes of settings and status.
    pub revision: i64,
    /// Whether the provider check was skipped.
    pub unverified: bool,
    /// Leads by status.
    pub lead_counts: LeadCounts,
    /// The import that brings the leads of another campaign; told only when the campaign is made.
    pub import_id: Option<ImportId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// One change of a campaign.
#[derive(Debug, Clone, PartialEq)]
pub struct RevisionRecord {
    /// Revision it led to.
    pub revision: i64,
    /// When.
    pub created_at: Timestamp,
    /// The token that asked for it; `None`: the server itself.
    pub token_id: Option<TokenId>,
    /// Setting or `status` → `{"from": …, "to": …}`.
    pub changes: Map<String, Value>,
}

/// A lead.
#[derive(Debug, Clone, PartialEq)]
pub struct LeadRecord {
    /// Its id.
    pub lead_id: LeadId,
    /// Its campaign.
    pub campaign_id: CampaignId,
    /// Whom to call; unique in the campaign.
    pub phone: PhoneNumber,
    /// What the user knows of the person.
    pub fields: LeadFields,
    /// Where it is.
    pub status: LeadStatus,
    /// Attempts that count, since the last re-queue.
    pub attempts: u32,
    /// Of these, on the campaign's present local day.
    pub attempts_today: u32,
    /// How the last finished attempt ended.
    pub last_outcome: Option<Outcome>,
    /// When the last attempt began.
    pub last_attempt_at: Option<Timestamp>,
    /// Hint of the next attempt; the gate has the last word.
    pub due_at: Option<Timestamp>,
    /// Counts changes by users.
    pub revision: i64,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What the user says of a lead.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LeadFields {
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Free fields; they reach the assistant as variables.
    pub custom_fields: Map<String, Value>,
    /// IANA zone of the person.
    pub timezone: Option<String>,
    /// Urgency inside the campaign, 1 to 10 (5 when absent).
    pub priority: Option<u8>,
    /// No attempt before.
    pub not_before: Option<Timestamp>,
}

/// A field of a lead that may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeadField {
    /// First name.
    FirstName,
    /// Last name.
    LastName,
    /// E-mail address.
    Email,
    /// IANA zone of the person.
    Timezone,
    /// Urgency inside the campaign.
    Priority,
    /// No attempt before.
    NotBefore,
}

/// A call: an attempt and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRecord {
    /// Its id.
    pub attempt_id: AttemptId,
    /// Its tenant.
    pub tenant_id: TenantId,
    /// Its campaign.
    pub campaign_id: CampaignId,
    /// Its lead; `None`: a test call.
    pub lead_id: Option<LeadId>,
    /// The line that placed it.
    pub line_id: LineId,
    /// Number of the attempt for the lead, from 1.
    pub attempt_number: u32,
    /// Whom it called.
    pub phone: PhoneNumber,
    /// Vendor-native caller number.
    pub phone_number_id: String,
    /// Vendor-native id of what spoke.
    pub assistant_id: String,
    /// Key that travels with the call.
    pub attempt_key: String,
    /// Where it is.
    pub state: StateName,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// The vendor's own word for the end, or why it was refused.
    pub ended_reason: Option<String>,
    /// Vendor's id of the call.
    pub provider_call_id: Option<String>,
    /// Where the vendor controls it.
    pub control_url: Option<String>,
    /// Campaign revision that judged it.
    pub revision: i64,
    /// The gate's verdict, as JSON.
    pub verdict: Value,
    /// When it entered each state.
    pub times: CallTimes,
    /// What it left behind.
    pub details: CallDetails,
}

/// When a call entered each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallTimes {
    /// Reserved.
    pub planned_at: Timestamp,
    /// Its fate became unknown.
    pub unknown_at: Option<Timestamp>,
    /// The provider had it.
    pub placed_at: Option<Timestamp>,
    /// It rang.
    pub ringing_at: Option<Timestamp>,
    /// Somebody or something picked up.
    pub in_progress_at: Option<Timestamp>,
    /// It was over, refused, released or found absent.
    pub ended_at: Option<Timestamp>,
}

/// What a call left behind.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CallDetails {
    /// Conversation began, by the vendor.
    pub started_at: Option<Timestamp>,
    /// Conversation ended, by the vendor.
    pub ended_at: Option<Timestamp>,
    /// Cost in micro-dollars.
    pub cost_micro_usd: Option<i64>,
    /// Transcript.
    pub transcript: Option<String>,
    /// Summary.
    pub summary: Option<String>,
    /// Address of the recording.
    pub recording_url: Option<String>,
    /// Structured data.
    pub structured_data: Option<Value>,
}

impl CallDetails {
    /// Whether there is anything in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A bulk addition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRecord {
    /// Its id.
    pub import_id: ImportId,
    /// Its campaign.
    pub campaign_id: CampaignId,
    /// Leads in it.
    pub total: u64,
    /// Leads done so far.
    pub processed: u64,
    /// Of these, new ones.
    pub added: u64,
    /// Of these, ones that were there and were updated.
    pub updated: u64,
    /// Of these, ones that were there and were skipped.
    pub skipped: u64,
    /// Of these, ones refused (the campaign was closed meanwhile).
    pub rejected: u64,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it was done.
    pub finished_at: Option<Timestamp>,
}

/// A fact in a tenant's ordered feed.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRecord {
    /// Its place in the feed: from 1, without gaps.
    pub sequence: i64,
    /// Its type in the contract, like `call.placed`.
    pub kind: String,
    /// The campaign it is about.
    pub campaign_id: Option<CampaignId>,
    /// The lead it is about.
    pub lead_id: Option<LeadId>,
    /// The attempt it is about.
    pub attempt_id: Option<AttemptId>,
    /// What the objects themselves do not keep: from where, to where.
    pub data: Value,
    /// When it was written, by the server's clock.
    pub created_at: Timestamp,
}

/// One page of a list, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The objects.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<i64>,
}

/// Which page to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// Most objects, 1 to 200.
    pub limit: u32,
    /// Only objects whose key is below.
    pub before: Option<i64>,
}
