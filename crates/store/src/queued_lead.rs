//! A lead that waits to be added, as every back end stores it: an installation that is moved takes
//! its unfinished imports along.

use domain::PhoneNumber;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{StoreError, StoreResult};
use crate::records::{LeadField, LeadFields};
use crate::writes::NewLead;

/// A queued lead as stored; names never change, rows may outlive a version.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueuedLead {
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
    /// What to store of a lead.
    pub fn of(lead: &NewLead) -> Self {
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
            not_before: not_before.map(Timestamp::as_microsecond),
            cleared: lead.cleared.clone(),
        }
    }

    /// The lead that was stored.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`]: no lead was ever stored so.
    pub fn into_lead(self) -> StoreResult<NewLead> {
        let corrupt = |what: &str| StoreError::Corrupt(format!("a queued lead: {what}"));
        let phone = PhoneNumber::parse(&self.phone).ok_or_else(|| corrupt("not E.164"))?;
        let instant = |micros| {
            Timestamp::from_microsecond(micros).map_err(|_| corrupt("instant out of range"))
        };
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
