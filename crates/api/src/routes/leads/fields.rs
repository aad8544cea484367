//! Reading the fields of a lead from a body that fits its schema.

use domain::fault::Fault;
use domain::settings::parse_zone;
use domain::{LeadId, PhoneNumber};
use jiff::Timestamp;
use serde_json::{Map, Value};
use store::{LeadChange, LeadField, LeadFields, LeadKey, NewLead, OptOut};

use crate::code;
use crate::faults::Faults;
use crate::ids::decode_field;
use crate::instant;
use crate::phone;

/// Most bytes of `custom_fields` as JSON.
const MAX_CUSTOM_BYTES: usize = 64 * 1024;
/// Most keys of `custom_fields`.
const MAX_CUSTOM_KEYS: usize = 200;
/// Deepest nesting of `custom_fields`.
const MAX_CUSTOM_DEPTH: usize = 16;

/// The required number of a lead. `place` stands before the names of faulty fields.
pub(crate) fn read_phone(
    fields: &Map<String, Value>,
    place: &str,
    faults: &mut Faults,
) -> Option<PhoneNumber> {
    let text = fields.get("phone_number").and_then(Value::as_str)?;
    faults.take(phone::parse(&format!("{place}phone_number"), text))
}

/// A lead to add.
pub(crate) fn read_new(
    fields: &mut Map<String, Value>,
    place: &str,
    faults: &mut Faults,
) -> Option<NewLead> {
    let phone = read_phone(fields, place, faults);
    let change = read_change(fields, place, faults);
    let cleared = [
        (LeadField::FirstName, change.first_name == Some(None)),
        (LeadField::LastName, change.last_name == Some(None)),
        (LeadField::Email, change.email == Some(None)),
        (LeadField::Timezone, change.timezone == Some(None)),
        (LeadField::Priority, change.priority == Some(None)),
        (LeadField::NotBefore, change.not_before == Some(None)),
    ];
    let cleared = cleared.into_iter().filter(|(_, is_cleared)| *is_cleared);
    let fields = LeadFields {
        first_name: change.first_name.flatten(),
        last_name: change.last_name.flatten(),
        email: change.email.flatten(),
        custom_fields: change.custom_fields.unwrap_or_default(),
        timezone: change.timezone.flatten(),
        priority: change.priority.flatten(),
        not_before: change.not_before.flatten(),
    };
    Some(NewLead {
        phone: phone?,
        fields,
        cleared: cleared.map(|(field, _)| field).collect(),
    })
}

/// A change of a lead.
pub(crate) fn read_change(
    fields: &mut Map<String, Value>,
    place: &str,
    faults: &mut Faults,
) -> LeadChange {
    let mut reader = Reader {
        fields,
        place,
        faults,
    };
    reader.refuse_unsupported();
    LeadChange {
        first_name: reader.text("first_name"),
        last_name: reader.text("last_name"),
        email: reader.email(),
        custom_fields: reader.custom_fields(),
        timezone: reader.timezone(),
        priority: reader.priority(),
        not_before: reader.not_before(),
        do_not_call: reader.flag("do_not_call").map(|is_opted_out| {
            if is_opted_out {
                OptOut::Enter
            } else {
                OptOut::Deny
            }
        }),
        mark_as_unanswered: reader.flag("mark_as_unanswered"),
    }
}

/// Which lead is meant: `campaign_lead_id` counts before `phone_number`.
pub(crate) fn read_key(
    fields: &Map<String, Value>,
    place: &str,
    faults: &mut Faults,
) -> Option<LeadKey> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    if let Some(id) = text("campaign_lead_id") {
        let id = decode_field::<LeadId>(&format!("{place}campaign_lead_id"), id);
        return faults.take(id).map(LeadKey::Id);
    }
    if text("phone_number").is_some() {
        return read_phone(fields, place, faults).map(LeadKey::Phone);
    }
    let field = format!("{place}phone_number");
    if !faults.has(&field) && !faults.has("campaign_lead_id") {
        faults.add(
            field,
            code::REQUIRED,
            "Name the lead by `phone_number` or by `campaign_lead_id`.",
        );
    }
    None
}

struct Reader<'a> {
    fields: &'a mut Map<String, Value>,
    place: &'a str,
    faults: &'a mut Faults,
}

#[expect(
    clippy::option_option,
    reason = "absent, `null` and a value are three things in a change"
)]
impl Reader<'_> {
    fn fault(&mut self, name: &str, code: &'static str, message: impl Into<String>) {
        self.faults
            .add(format!("{}{name}", self.place), code, message);
    }

    /// What was read, or nothing and its fault.
    fn settled<T>(&mut self, read: Option<Result<T, Fault>>) -> Option<T> {
        let fault = match read? {
            Ok(value) => return Some(value),
            Err(fault) => fault,
        };
        self.fault(&fault.field, fault.code, fault.message);
        None
    }

    /// Absent, or the value, which may be `null`.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.get_mut(name).map(Value::take)
    }

    fn text(&mut self, name: &str) -> Option<Option<String>> {
        Some(match self.take(name)? {
            Value::String(text) => Some(text),
            _ => None,
        })
    }

    fn flag(&mut self, name: &str) -> Option<bool> {
        self.take(name)?.as_bool()
    }

    fn refuse_unsupported(&mut self) {
        for name in ["region", "consent"] {
            if self.take(name).is_some_and(|value| !value.is_null()) {
                self.fault(
                    name,
                    code::NOT_SUPPORTED,
                    format!("`{name}` is not supported yet; leave it out."),
                );
            }
        }
    }

    /// An empty address is none, as it comes from forms.
    fn email(&mut self) -> Option<Option<String>> {
        let email = self.text("email")?.filter(|email| !email.is_empty());
        if email.as_deref().is_some_and(|email| !is_email(email)) {
            self.fault(
                "email",
                code::INVALID_FORMAT,
                "`email` must be an address like `jane.doe@example.com`.",
            );
        }
        Some(email)
    }

    fn timezone(&mut self) -> Option<Option<String>> {
        let zone = self.text("timezone")?;
        let checked = zone.map(|zone| match parse_zone(&zone) {
            Ok(_) => Ok(zone),
            Err(fault) => Err(fault.of("timezone")),
        });
        Some(self.settled(checked))
    }

    fn priority(&mut self) -> Option<Option<u8>> {
        let priority = self.take("priority")?;
        Some(
            priority
                .as_u64()
                .and_then(|priority| u8::try_from(priority).ok()),
        )
    }

    fn not_before(&mut self) -> Option<Option<Timestamp>> {
        let text = self.text("not_before")?;
        let at = text.map(|text| instant::of_body("not_before", &text));
        Some(self.settled(at))
    }

    fn custom_fields(&mut self) -> Option<Map<String, Value>> {
        let Value::Object(fields) = self.take("custom_fields")? else {
            return None;
        };
        let name = "custom_fields";
        if fields.len() > MAX_CUSTOM_KEYS {
            self.fault(
                name,
                code::TOO_MANY,
                format!("`{name}` may have at most {MAX_CUSTOM_KEYS} keys."),
            );
        }
        if fields
            .values()
            .any(|value| is_deeper(value, MAX_CUSTOM_DEPTH - 1))
        {
            let message = format!("`{name}` may be nested at most {MAX_CUSTOM_DEPTH} levels deep.");
            self.fault(name, code::INVALID_VALUE, message);
        }
        if serde_json::to_vec(&fields).map_or(usize::MAX, |json| json.len()) > MAX_CUSTOM_BYTES {
            let message = format!("`{name}` may have at most {MAX_CUSTOM_BYTES} bytes as JSON.");
            self.fault(name, code::TOO_LONG, message);
        }
        Some(fields)
    }
}

/// Whether `value` has more than `levels` levels of objects and lists.
fn is_deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Object(fields) => {
            levels == 0 || fields.values().any(|value| is_deeper(value, levels - 1))
        }
        Value::Array(items) => {
            levels == 0 || items.iter().any(|value| is_deeper(value, levels - 1))
        }
        _ => false,
    }
}

/// Something, an `@`, something: what an address is, only its mail server knows.
fn is_email(text: &str) -> bool {
    let Some((name, host)) = text.split_once('@') else {
        return false;
    };
    let plain = !text.contains(|c: char| c.is_whitespace() || c.is_control());
    plain && !name.is_empty() && !host.is_empty() && !host.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_address_has_a_name_and_a_host() {
        for good in ["jane.doe@example.com", "a@b", "jane+x@müller.example"] {
            assert!(is_email(good), "{good}");
        }
        for bad in ["", "jane", "@b", "a@", "a@b@c", "a b@c", "a@b\n"] {
            assert!(!is_email(bad), "{bad}");
        }
    }

    #[test]
    fn depth_counts_objects_and_lists() {
        assert!(!is_deeper(&json!("x"), 0));
        assert!(is_deeper(&json!({}), 0));
        assert!(!is_deeper(&json!([1]), 1));
        assert!(is_deeper(&json!([[1]]), 1));
    }
}
