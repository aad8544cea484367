//! What keeps from connecting is told in one line with its remedy, and nothing is trusted that the
//! address does not say is to be trusted.

mod exhausted;
mod refusals;
mod tls;

use store_postgres::OpenError;

/// One line, with these words, without the password, whatever it is.
fn assert_says(error: &OpenError, words: &[&str]) {
    let said = error.to_string();
    assert!(!said.contains('\n'), "one line: {said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said:?}");
    }
    assert!(!said.contains("secret"), "{said}");
}
