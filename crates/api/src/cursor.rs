//! Cursors of lists: opaque to clients, bound to the list they came from.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::fault::Fault;

use crate::code;

/// Which list a cursor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListKind {
    Tokens,
    Lines,
    Pools,
    Campaigns,
    Revisions,
    Leads,
    Calls,
    Assistants,
    ProviderNumbers,
}

impl ListKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Lines => "lines",
            Self::Pools => "pools",
            Self::Campaigns => "campaigns",
            Self::Revisions => "revisions",
            Self::Leads => "leads",
            Self::Calls => "calls",
            Self::Assistants => "assistants",
            Self::ProviderNumbers => "provider-numbers",
        }
    }
}

/// The cursor of the page that begins below `position`.
pub(crate) fn encode(kind: ListKind, position: i64) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{position}", kind.as_str()))
}

/// The position in `text`, if it is a cursor of this list.
pub(crate) fn decode(kind: ListKind, text: &str) -> Result<i64, Fault> {
    let position = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| {
        let plain = String::from_utf8(bytes).ok()?;
        let (found, position) = plain.split_once(':')?;
        (found == kind.as_str())
            .then(|| position.parse::<i64>().ok())
            .flatten()
    });
    position.ok_or_else(|| {
        Fault::new(
            "cursor",
            code::INVALID_CURSOR,
            "`cursor` must be the `next_cursor` of an earlier page of this list.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_cursor_leads_back_to_its_position_in_its_list_only(position: i64) {
            let cursor = encode(ListKind::Leads, position);
            proptest::prop_assert_eq!(decode(ListKind::Leads, &cursor), Ok(position));
            proptest::prop_assert!(decode(ListKind::Calls, &cursor).is_err());
        }

        #[test]
        fn no_text_breaks_the_reader(text in ".*") {
            let _ = decode(ListKind::Leads, &text);
        }
    }
}
