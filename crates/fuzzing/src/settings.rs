//! Bodies that change a campaign.

use std::sync::LazyLock;

use api::untrusted::{CompiledSchemas, Patched, patch_campaign};
use domain::settings::SettingsDraft;
use serde_json::json;

static SCHEMAS: LazyLock<CompiledSchemas> = LazyLock::new(CompiledSchemas::default);

/// The settings of a campaign that dials on weekdays.
fn stored() -> SettingsDraft {
    let stored = json!({
        "name": "Q4 Outreach", "assistant_id": "asst_abc123", "tenant_voice_provider_id": 1,
        "dialer_type": "SINGLE", "phone_number_id": "pn_abc123", "start_date": "2026-01-05",
        "end_date": "2026-03-31", "timezone": "America/New_York",
        "days_of_week": ["MONDAY", "FRIDAY"], "daily_start_time": "09:00", "daily_end_time": "17:00",
        "max_call_attempts": 3, "max_daily_attempts": 1, "min_gap_between_attempts": 60,
    });
    serde_json::from_value(stored).unwrap_or_default()
}

/// A change is taken or refused with faults that say where; what is taken once changes nothing when
/// it is sent again, and survives the way into the store and back.
pub fn settings(data: &[u8]) {
    let stored = stored();
    match patched(&stored, data) {
        Patched::Unreadable => {}
        Patched::Faulty(faults) => {
            assert!(!faults.is_empty(), "refused without a fault");
            for fault in faults {
                assert!(
                    !fault.code.is_empty() && fault.message.ends_with(['.', '?', ']']),
                    "{fault:?}"
                );
            }
        }
        Patched::Settings(changed) => {
            match patched(&changed, data) {
                Patched::Settings(again) => assert_eq!(again, changed),
                other => panic!("sent again it is refused: {other:?}"),
            }
            let kept = serde_json::to_string(&changed).unwrap_or_default();
            match serde_json::from_str::<SettingsDraft>(&kept) {
                Ok(read) => assert_eq!(read, *changed),
                Err(error) => panic!("{kept}: {error}"),
            }
        }
    }
}

fn patched(stored: &SettingsDraft, data: &[u8]) -> Patched {
    match patch_campaign(&SCHEMAS, stored, data) {
        Ok(patched) => patched,
        Err(reason) => panic!("the server fails: {reason}"),
    }
}
