//! From a body to the stored form of settings: the older name of the voice provider, global ids
//! to numbers, and the merge of a change onto what is there.

use domain::campaign::CampaignType;
use domain::fault::Fault;
use domain::settings::{CampaignSettings, SettingsDraft};
use domain::{LineId, PoolId};
use serde_json::{Map, Value};

use crate::body::{Body, RequestBody};
use crate::code;
use crate::error::{ApiError, ApiResult};
use crate::faults::Faults;
use crate::ids::{GlobalId, decode_field};

const LINE: &str = "tenant_voice_provider_id";
const LINE_ALIAS: &str = "voiceai_pod_id";
const POOL: &str = "phone_number_pool_id";

/// Settings of a body that are sound by themselves, in the stored form, and the faults so far.
#[derive(Debug, Clone)]
pub(crate) struct Requested {
    /// By setting; `null` clears.
    pub(crate) fields: Map<String, Value>,
    /// Direction, on creation.
    pub(crate) kind: Option<CampaignType>,
    /// What the schema found.
    pub(crate) faults: Faults,
}

impl Requested {
    /// Reads a body.
    pub(crate) fn read<T: RequestBody>(body: Body<T>) -> Self {
        let (mut fields, mut faults) = body.into_parts();
        faults.rewrite(|fault| {
            Some(if fault.field == "type" {
                immutable_if_unknown(fault)
            } else {
                fault
            })
        });
        let kind = fields.remove("type");
        let kind = kind
            .as_ref()
            .and_then(Value::as_str)
            .and_then(CampaignType::parse);
        numbered::<LineId>(LINE_ALIAS, &mut fields, &mut faults);
        numbered::<LineId>(LINE, &mut fields, &mut faults);
        numbered::<PoolId>(POOL, &mut fields, &mut faults);
        if let Some(alias) = fields.remove(LINE_ALIAS) {
            let named = fields.entry(LINE).or_insert_with(|| alias.clone());
            if *named != alias {
                let message = format!(
                    "`{LINE_ALIAS}` and `{LINE}` are two names of one setting; give one of them."
                );
                faults.add(LINE_ALIAS, code::CONTRADICTION, message);
            }
        }
        Self {
            fields,
            kind,
            faults,
        }
    }

    /// Whether the body says anything about `setting`.
    pub(crate) fn names(&self, setting: &str) -> bool {
        self.fields.contains_key(setting)
    }

    /// Daily hours that the body names although the campaign keeps its `windows`, which replace
    /// them: whoever narrows a day so would see it dial on.
    pub(crate) fn hours_without_effect(&self, whole: &SettingsDraft) -> Vec<Fault> {
        if whole.windows.is_none() || self.names("windows") {
            return Vec::new();
        }
        let names = |field: &&str| {
            self.fields
                .get(*field)
                .is_some_and(|value| !value.is_null())
        };
        let hours = ["daily_start_time", "daily_end_time"].into_iter();
        let fault = |field| {
            Fault::new(
                field,
                code::CONTRADICTION,
                format!(
                    "This campaign has `windows`, which replace `{field}`; change `windows`, or clear it with `null` in the same request."
                ),
            )
        };
        hours.filter(names).map(fault).collect()
    }

    /// The whole draft after this change of `stored`.
    pub(crate) fn merged_onto(&self, stored: &SettingsDraft) -> ApiResult<SettingsDraft> {
        let mut whole = stored.clone();
        for (name, value) in &self.fields {
            // The schema accepted every field, so only an integer beyond 64 bits can fail.
            whole.set(name, value.clone()).map_err(|error| {
                ApiError::fault(
                    "",
                    code::INVALID_VALUE,
                    format!("The body cannot be read: {error}."),
                )
            })?;
        }
        Ok(whole)
    }
}

/// The schema of a change has no direction; that it exists and cannot change is the better word.
fn immutable_if_unknown(fault: Fault) -> Fault {
    if fault.code != code::UNKNOWN_FIELD {
        return fault;
    }
    Fault::new(
        "type",
        code::IMMUTABLE,
        "`type` cannot change; make another campaign instead.",
    )
}

/// Replaces the global id in `field` by its number.
fn numbered<T: GlobalId>(
    field: &'static str,
    fields: &mut Map<String, Value>,
    faults: &mut Faults,
) {
    let decoded = match fields.get(field) {
        Some(Value::String(text)) => decode_field::<T>(field, text),
        _ => return,
    };
    match faults.take(decoded) {
        Some(id) => fields.insert(field.to_owned(), id.number().into()),
        None => fields.remove(field),
    };
}

/// Parses a whole draft. Faults that only follow from ones known already are left out.
pub(crate) fn parse(
    kind: CampaignType,
    draft: &SettingsDraft,
    faults: &mut Faults,
) -> Option<CampaignSettings> {
    match CampaignSettings::parse(kind, draft) {
        Ok(settings) => Some(settings),
        Err(found) => {
            let no_windows = faults.has("windows");
            let no_line = faults.has(LINE_ALIAS);
            let follows = |fault: &Fault| {
                fault.code == code::REQUIRED
                    && (no_windows && fault.field.starts_with("daily_")
                        || no_line && fault.field == LINE)
            };
            faults.add_followups(found.into_iter().filter(|fault| !follows(fault)));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::routes::campaigns::body::CampaignPatch;
    use crate::schema::Schemas;

    /// Any JSON, with the names of settings among its keys.
    fn anything() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            prop_oneof!["09:00", "2026-01-31", "MONDAY", "POOL", "Tenant:1", "UTC"]
                .prop_map(Value::from),
        ];
        let key = prop_oneof![
            proptest::sample::select(SettingsDraft::FIELDS).prop_map(str::to_owned),
            proptest::sample::select(&["type", "voiceai_pod_id", "start_time"][..])
                .prop_map(str::to_owned),
            ".{0,6}",
        ];
        leaf.prop_recursive(3, 24, 6, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((key.clone(), inner), 0..6)
                    .prop_map(|entries| entries.into_iter().collect::<Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_body_breaks_the_reader_and_every_fault_names_its_place(value in anything()) {
            let schema = Schemas::default().of::<CampaignPatch>().unwrap();
            let body = Body::<CampaignPatch>::for_test(value.clone(), schema.faults(&value).into());
            let mut requested = Requested::read(body);
            let sound = requested.faults.is_empty();
            let draft = requested.merged_onto(&SettingsDraft::default());
            let settings = draft.as_ref().ok().and_then(|draft| {
                parse(CampaignType::Outbound, draft, &mut requested.faults)
            });
            // What the schema accepts can be merged, and what has no fault at all is parsed.
            prop_assert!(!sound || draft.is_ok());
            prop_assert!(settings.is_some() || draft.is_err() || !requested.faults.is_empty());
        }

        #[test]
        fn a_fault_is_told_once_per_field_and_code(value in anything()) {
            let schema = Schemas::default().of::<CampaignPatch>().unwrap();
            let told: Vec<_> =
                schema.faults(&value).into_iter().map(|fault| (fault.field, fault.code)).collect();
            let distinct: std::collections::HashSet<_> = told.iter().collect();
            prop_assert_eq!(distinct.len(), told.len());
        }
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let stored = SettingsDraft {
            name: Some("a".into()),
            priority: Some(3),
            ..SettingsDraft::default()
        };
        let fields = json!({ "priority": null, "end_date": "2026-01-31" })
            .as_object()
            .cloned()
            .unwrap();
        let requested = Requested {
            fields,
            kind: None,
            faults: Faults::default(),
        };
        let merged = requested.merged_onto(&stored).unwrap();
        assert_eq!((merged.name.as_deref(), merged.priority), (Some("a"), None));
        assert_eq!(merged.end_date.as_deref(), Some("2026-01-31"));
    }
}
