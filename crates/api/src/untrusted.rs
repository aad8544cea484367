//! What reads the bytes of strangers before anything else does, for fuzzing and nothing else.
//!
//! No promise is made about this module: it is the seam through which `crates/fuzzing` reaches the
//! readers that every request goes through, each exactly as a request goes through it.

use domain::campaign::CampaignType;
use domain::fault::Fault;
use domain::settings::{CampaignSettings, SettingsDraft};
use domain::{AttemptId, CampaignId, LeadId};
use serde_json::Value;

use crate::body::judge;
use crate::cursor::{self, ListKind};
use crate::error::ApiError;
use crate::ids::{self, GlobalId, IdError};
use crate::routes::campaigns::body::CampaignPatch;
use crate::routes::campaigns::draft::Requested;
use crate::schema::Schemas;
use crate::{idempotency, json};

/// A JSON body, or why it is none.
pub fn read_json(bytes: &[u8]) -> Result<Value, String> {
    json::read(bytes).map_err(|error| format!("{error:?}"))
}

/// The one spelling of a value.
pub fn canonical(value: &Value) -> String {
    json::canonical(value)
}

/// Most levels that [`read_json`] reads.
pub const MAX_DEPTH: usize = json::MAX_DEPTH;

/// What a text is as an id of a campaign, a lead and a call: the number, or the type it has instead.
pub fn read_ids(text: &str) -> [Result<i64, Option<&'static str>>; 3] {
    fn read<T: GlobalId>(text: &str) -> Result<i64, Option<&'static str>> {
        ids::decode::<T>(text)
            .map(T::number)
            .map_err(|error| match error {
                IdError::WrongType { found } => Some(found),
                IdError::Garbage => None,
            })
    }
    [
        read::<CampaignId>(text),
        read::<LeadId>(text),
        read::<AttemptId>(text),
    ]
}

/// The id of a lead as clients see it.
pub fn write_lead_id(number: i64) -> String {
    LeadId::from_raw(number).global()
}

/// What a text is as a cursor of leads and of calls.
pub fn read_cursors(text: &str) -> [Option<i64>; 2] {
    [ListKind::Leads, ListKind::Calls].map(|kind| cursor::decode(kind, text).ok())
}

/// A cursor of leads.
pub fn write_cursor(position: i64) -> String {
    cursor::encode(ListKind::Leads, position)
}

/// What an idempotency key is bound to.
pub fn fingerprint(query: &str, body: &Value) -> [u8; 32] {
    idempotency::fingerprint(query, body)
}

/// Schemas that bodies are held against, compiled when first used.
#[derive(Default)]
pub struct CompiledSchemas(Schemas);

/// What a change of a campaign's settings comes to.
#[derive(Debug)]
pub enum Patched {
    /// It is no JSON, or cannot be read.
    Unreadable,
    /// The body or the merged result has faults.
    Faulty(Vec<Fault>),
    /// The settings after it.
    Settings(Box<SettingsDraft>),
}

/// Changes the settings of an OUTBOUND campaign by the body of a PATCH, as far as that goes without
/// asking anybody.
pub fn patch_campaign(
    schemas: &CompiledSchemas,
    stored: &SettingsDraft,
    body: &[u8],
) -> Result<Patched, String> {
    let Ok(value) = json::read(body) else {
        return Ok(Patched::Unreadable);
    };
    let body = judge::<CampaignPatch>(&schemas.0, value).map_err(|error| format!("{error:?}"))?;
    let requested = Requested::read(body);
    if let Err(error) = requested.faults.clone().check() {
        return faulty(error);
    }
    let merged = match requested.merged_onto(stored) {
        Ok(merged) => merged,
        Err(error) => return faulty(error),
    };
    Ok(
        match CampaignSettings::parse(CampaignType::Outbound, &merged) {
            Ok(_) => Patched::Settings(Box::new(merged)),
            Err(faults) => Patched::Faulty(faults),
        },
    )
}

fn faulty(error: ApiError) -> Result<Patched, String> {
    match error {
        ApiError::Validation(faults) => Ok(Patched::Faulty(faults)),
        other => Err(format!("{other:?}")),
    }
}
