//! A lead that waits to be added.

use domain::PhoneNumber;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::{LeadField, LeadFields, NewLead, StoreResult};

use crate::code::{corrupt, instant, micros};

/// A queued lead as stored; names never change, rows may outlive a version.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QueuedLead {
    phone: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    custom_fields: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timezone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    priority: Option<u8>,
    /// Microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cleared: Vec<LeadField>,
}

impl QueuedLead {
    pub(crate) fn of(lead: &NewLead) -> Self {
        let LeadFields {
            first_name,
            last_name,
            email,
            custom_fields,
            timezone,
            priority,
            not_before,
        } = lead.fields.clone();
        Self {
            phone: lead.phone.as_str().to_owned(),
            first_name,
            last_name,
            email,
            custom_fields,
            timezone,
            priority,
            not_before: not_before.map(micros),
            cleared: lead.cleared.clone(),
        }
    }

    pub(crate) fn into_lead(self) -> StoreResult<NewLead> {
        let phone =
            PhoneNumber::parse(&self.phone).ok_or_else(|| corrupt("a queued lead: not E.164"))?;
        let fields = LeadFields {
            first_name: self.first_name,
            last_name: self.last_name,
            email: self.email,
            custom_fields: self.custom_fields,
            timezone: self.timezone,
            priority: self.priority,
            not_before: self.not_before.map(instant).transpose()?,
        };
        Ok(NewLead {
            phone,
            fields,
            cleared: self.cleared,
        })
    }
}
