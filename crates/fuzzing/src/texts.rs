//! Short texts: ids, cursors, phone numbers, tokens.

use domain::PhoneNumber;

/// Ids of paths and bodies: what is read is written back and read again, as one type only.
pub fn ids(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let read = api::untrusted::read_ids(text);
    let sound: Vec<i64> = read.iter().filter_map(|one| one.ok()).collect();
    assert!(sound.len() <= 1, "{text:?} is an id of two types");
    assert!(sound.iter().all(|number| *number >= 0), "{text:?}");
    let named: Vec<_> = read.iter().filter_map(|one| one.err()).collect();
    if !sound.is_empty() {
        assert!(
            named.iter().all(Option::is_some),
            "{text:?} is an id, and garbage as another"
        );
    }
    if let [_, Ok(number), _] = read {
        let written = api::untrusted::write_lead_id(number);
        let unpadded = written.trim_end_matches('=');
        let url_safe = unpadded.replace('+', "-").replace('/', "_");
        for spelling in [written.as_str(), unpadded, url_safe.as_str()] {
            assert_eq!(
                api::untrusted::read_ids(spelling)[1],
                Ok(number),
                "{text:?}"
            );
        }
    }
}

/// Cursors of lists: never of two lists, and what is read is written back.
pub fn cursors(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match api::untrusted::read_cursors(text) {
        [Some(_), Some(_)] => panic!("{text:?} is a cursor of two lists"),
        [Some(position), None] => {
            let written = api::untrusted::write_cursor(position);
            assert_eq!(
                api::untrusted::read_cursors(&written),
                [Some(position), None]
            );
        }
        [None, _] => {}
    }
}

/// Phone numbers: exactly E.164, and never whole in a log.
pub fn phones(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let by_definition = match data {
        [b'+', b'1'..=b'9', rest @ ..] => {
            (6..=14).contains(&rest.len()) && rest.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    };
    let read = PhoneNumber::parse(text);
    assert_eq!(read.is_some(), by_definition, "{text:?}");
    if let Some(phone) = read {
        assert_eq!(phone.as_str(), text);
        let shown = format!("{phone:?}");
        let digits = shown.bytes().filter(u8::is_ascii_digit).count();
        assert!(digits < data.len() - 1, "{shown} shows the whole number");
    }
}

/// Bearer tokens: a sound one is broken by any change of one character, and masked beyond use.
pub fn tokens(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let masked = api::token::mask(text);
    assert!(masked.chars().count() <= 13, "{masked}");
    let seed = data.first().copied().unwrap_or_default();
    let token = api::token::generate(&Repeated(data));
    assert!(api::token::is_well_formed(&token), "{token}");
    let mut changed = token.clone().into_bytes();
    let place = usize::from(seed) % changed.len();
    changed[place] = if changed[place] == b'x' { b'y' } else { b'x' };
    let changed = String::from_utf8(changed).unwrap_or_default();
    assert!(!api::token::is_well_formed(&changed), "{changed}");
    if api::token::is_well_formed(text) {
        assert!(text.is_ascii() && text.len() == token.len(), "{text:?}");
        assert_ne!(api::token::hash(text), api::token::hash(&changed));
        assert!(!masked.contains(&text[8..38]), "{masked}");
    }
}

/// "Randomness" that is the input, over and over.
struct Repeated<'a>(&'a [u8]);

impl domain::ambient::Entropy for Repeated<'_> {
    fn fill(&self, bytes: &mut [u8]) {
        let mut input = self.0.iter().copied().chain([0]).cycle();
        bytes.fill_with(|| input.next().unwrap_or_default());
    }
}
