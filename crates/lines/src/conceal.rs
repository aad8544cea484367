//! Words of a vendor without the secrets of the line.
//!
//! A vendor may repeat what it was sent ("incorrect key provided: …"). Its words are told to
//! people who may not know the account's secrets, and kept with calls.

/// What stands for a secret.
const CONCEALED: &str = "••••";
/// Anything shorter is no secret, and part of many a word.
const MIN_SECRET_BYTES: usize = 6;

/// The text without these secrets, also where it ends within one, or repeats one as JSON.
pub(crate) fn conceal<'a>(text: &str, secrets: impl Iterator<Item = &'a str>) -> String {
    let mut spellings: Vec<String> = secrets
        .filter(|secret| secret.len() >= MIN_SECRET_BYTES)
        .flat_map(|secret| [secret.to_owned(), as_json(secret)])
        .collect();
    // One secret may be a part of another.
    spellings.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let mut text = text.to_owned();
    for secret in &spellings {
        if text.contains(secret) {
            text = text.replace(secret, CONCEALED);
        }
    }
    let kept = spellings
        .iter()
        .map(|secret| text.len() - begun_at_the_end(&text, secret))
        .min();
    if let Some(kept) = kept.filter(|kept| *kept < text.len()) {
        text.truncate(kept);
        text.push_str(CONCEALED);
    }
    text
}

/// How much of the secret the text ends with; 0 when that is too little to say.
fn begun_at_the_end(text: &str, secret: &str) -> usize {
    (MIN_SECRET_BYTES..secret.len())
        .rev()
        .filter(|length| secret.is_char_boundary(*length))
        .find(|length| text.ends_with(&secret[..*length]))
        .unwrap_or(0)
}

/// As it stands between the quotes of a JSON text.
fn as_json(secret: &str) -> String {
    let quoted = serde_json::Value::from(secret).to_string();
    quoted.trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concealed(text: &str, secrets: &[&str]) -> String {
        conceal(text, secrets.iter().copied())
    }

    #[test]
    fn a_secret_is_concealed_wherever_it_stands() {
        let text = "Incorrect key sk-123456: sk-123456 is not known";
        assert_eq!(
            concealed(text, &["sk-123456"]),
            "Incorrect key ••••: •••• is not known"
        );
        assert_eq!(concealed("nothing", &["sk-123456"]), "nothing");
    }

    #[test]
    fn a_secret_that_holds_another_is_concealed_whole() {
        assert_eq!(
            concealed("key-key-key", &["key-key", "key-key-key"]),
            "••••"
        );
    }

    #[test]
    fn a_secret_that_is_cut_off_is_concealed() {
        assert_eq!(
            concealed("refused: sk-1234", &["sk-123456"]),
            "refused: ••••"
        );
        assert_eq!(concealed("größe: schlüss", &["schlüssel"]), "größe: ••••");
        // As little as this is no secret yet.
        assert_eq!(
            concealed("refused: sk-12", &["sk-123456"]),
            "refused: sk-12"
        );
    }

    #[test]
    fn a_secret_is_concealed_in_a_repeated_body() {
        let body = serde_json::json!({ "secret": "pass\"word\\" }).to_string();
        assert_eq!(concealed(&body, &["pass\"word\\"]), r#"{"secret":"••••"}"#);
    }

    #[test]
    fn words_survive_secrets_that_are_none() {
        assert_eq!(concealed("an apple", &["a", "", "apple"]), "an apple");
    }
}
