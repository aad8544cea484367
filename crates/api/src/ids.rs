//! Global ids: base64 of `Type:id`, as clients see them.
//!
//! Written in standard base64 with padding. Read also unpadded, URL-safe, and undecoded
//! (`VoiceCampaignLead:42`). A well-formed id of another type is told apart from garbage.

use axum::extract::{FromRequestParts, RawPathParams};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use domain::fault::Fault;
use domain::{
    AttemptId, CampaignId, ImportId, LeadId, LineId, PoolId, SuppressionId, TenantId, TokenId,
};
use http::request::Parts;

use crate::code;
use crate::error::ApiError;
use crate::state::App;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const LENIENT_STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const LENIENT_URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Every type of the contract, also those without objects yet.
const KNOWN_TYPES: &[&str] = &[
    "Tenant",
    "TenantVoiceProvider",
    "VoiceCampaign",
    "VoiceCampaignLead",
    "VoicePhoneNumberPool",
    "VoiceCall",
    "LeadImport",
    "ApiToken",
    "Event",
    "WebhookDelivery",
    "Suppression",
];

/// An id that travels as a global id.
pub(crate) trait GlobalId: Copy {
    /// The type part.
    const TYPE: &'static str;
    /// How the contract calls a field or path parameter with it.
    const FIELD: &'static str;
    /// What it names, for people: "there is no such …".
    const LABEL: &'static str;

    fn from_number(number: i64) -> Self;
    fn number(self) -> i64;

    /// The id as clients see it.
    fn global(self) -> String {
        STANDARD.encode(format!("{}:{}", Self::TYPE, self.number()))
    }
}

macro_rules! global_ids {
    ($($id:ident: $field:literal, $label:literal;)+) => {$(
        impl GlobalId for $id {
            const TYPE: &'static str = $id::NOUN;
            const FIELD: &'static str = $field;
            const LABEL: &'static str = $label;

            fn from_number(number: i64) -> Self {
                Self::from_raw(number)
            }

            fn number(self) -> i64 {
                self.raw()
            }
        }
    )+};
}

global_ids! {
    TenantId: "tenant_id", "tenant";
    TokenId: "token_id", "token";
    LineId: "tenant_voice_provider_id", "voice provider";
    PoolId: "phone_number_pool_id", "phone number pool";
    CampaignId: "campaign_id", "campaign";
    LeadId: "campaign_lead_id", "lead";
    AttemptId: "call_id", "call";
    ImportId: "import_id", "import";
    SuppressionId: "suppression_id", "do-not-call entry";
}

/// Why a text is not the id that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IdError {
    /// A sound id of another type.
    WrongType {
        /// The type it has.
        found: &'static str,
    },
    /// No id at all.
    Garbage,
}

/// Reads a global id in any accepted form.
pub(crate) fn decode<T: GlobalId>(text: &str) -> Result<T, IdError> {
    let (found, number) = split(text).ok_or(IdError::Garbage)?;
    if found != T::TYPE {
        return Err(IdError::WrongType { found });
    }
    parse_number(&number)
        .map(T::from_number)
        .ok_or(IdError::Garbage)
}

/// Reads a global id of a body, adding a fault if it is none.
pub(crate) fn decode_field<T: GlobalId>(field: &str, text: &str) -> Result<T, Fault> {
    decode(text).map_err(|error| match error {
        IdError::WrongType { found } => Fault::new(
            field,
            code::WRONG_ID_TYPE,
            wrong_type_message::<T>(field, found),
        ),
        IdError::Garbage => Fault::new(
            field,
            code::INVALID_ID,
            format!(
                "`{field}` must be the global id of a `{}`, as the API returned it.",
                T::TYPE
            ),
        ),
    })
}

fn wrong_type_message<T: GlobalId>(field: &str, found: &str) -> String {
    format!(
        "`{field}` must be the id of a `{}`, but this is the id of a `{found}`.",
        T::TYPE
    )
}

fn split(text: &str) -> Option<(&'static str, String)> {
    if text.len() > 200 {
        return None;
    }
    let plain = if text.contains(':') {
        text.to_owned()
    } else {
        from_base64(text)?
    };
    let (found, number) = plain.split_once(':')?;
    let found = KNOWN_TYPES.iter().find(|known| **known == found)?;
    (!number.is_empty()).then(|| (*found, number.to_owned()))
}

fn from_base64(text: &str) -> Option<String> {
    let bytes = LENIENT_STANDARD
        .decode(text)
        .or_else(|_| LENIENT_URL_SAFE.decode(text))
        .ok()?;
    String::from_utf8(bytes).ok()
}

/// A positive number in its only spelling, so that one object has one id.
fn parse_number(text: &str) -> Option<i64> {
    let number = text.parse::<i64>().ok().filter(|number| *number > 0)?;
    (number.to_string() == text).then_some(number)
}

/// The id in the path, under the name the contract gives its type.
pub(crate) struct PathId<T>(pub(crate) T);

impl<T: GlobalId> FromRequestParts<App> for PathId<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, app)
            .await
            .map_err(|_| ApiError::NotFound(T::LABEL))?;
        let text = params
            .iter()
            .find(|(name, _)| *name == T::FIELD)
            .map(|(_, text)| text);
        match decode(text.unwrap_or_default()) {
            Ok(id) => Ok(Self(id)),
            Err(IdError::Garbage) => Err(ApiError::NotFound(T::LABEL)),
            Err(IdError::WrongType { found }) => Err(ApiError::WrongIdType {
                field: T::FIELD,
                message: wrong_type_message::<T>(T::FIELD, found),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_the_existing_api_does() {
        assert_eq!(
            CampaignId::from_raw(123).global(),
            "Vm9pY2VDYW1wYWlnbjoxMjM="
        );
        assert_eq!(
            LineId::from_raw(123).global(),
            "VGVuYW50Vm9pY2VQcm92aWRlcjoxMjM="
        );
        assert_eq!(
            PoolId::from_raw(123).global(),
            "Vm9pY2VQaG9uZU51bWJlclBvb2w6MTIz"
        );
        assert_eq!(
            LeadId::from_raw(1234).global(),
            "Vm9pY2VDYW1wYWlnbkxlYWQ6MTIzNA=="
        );
    }

    #[test]
    fn every_accepted_form_is_read() {
        for text in [
            "VGVuYW50OjEyMw==",
            "VGVuYW50OjEyMw",
            "VGVuYW50OjEyMw=",
            "Tenant:123",
        ] {
            assert_eq!(
                decode::<TenantId>(text),
                Ok(TenantId::from_raw(123)),
                "{text}"
            );
        }
    }

    #[test]
    fn another_type_is_named_and_anything_else_is_garbage() {
        let lead = LeadId::from_raw(5).global();
        assert_eq!(
            decode::<CampaignId>(&lead),
            Err(IdError::WrongType {
                found: "VoiceCampaignLead"
            })
        );
        for text in [
            "",
            "123",
            "camp_abc123",
            "VoiceCampaign:",
            "VoiceCampaign:01",
            "Nothing:1",
            "VoiceCampaign:-1",
            "VoiceCampaign:+1",
            "VoiceCampaign:9223372036854775808",
            "////",
        ] {
            assert_eq!(decode::<CampaignId>(text), Err(IdError::Garbage), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn ids_survive_the_journey(number in 1_i64..) {
            let id = AttemptId::from_raw(number);
            proptest::prop_assert_eq!(decode::<AttemptId>(&id.global()), Ok(id));
            proptest::prop_assert_eq!(decode::<AttemptId>(id.global().trim_end_matches('=')), Ok(id));
        }

        #[test]
        fn no_text_breaks_the_reader(text in ".*") {
            let _ = decode::<AttemptId>(&text);
        }
    }
}
