//! Two stores give their objects different ids: each id is told by the place at which it was first
//! seen. Stores that agree show their ids in the same order, so theirs get the same names.

use std::collections::HashMap;

/// Ids and attempt keys are the only numbers with so many digits.
const LEAST_DIGITS: usize = 17;

/// The names that one side's ids have got so far.
#[derive(Debug, Default)]
pub(crate) struct Names {
    by_digits: HashMap<String, usize>,
}

impl Names {
    /// The text with a name for every id; ids that are seen for the first time get one.
    pub(crate) fn rename(&mut self, text: &str) -> String {
        let by_digits = &mut self.by_digits;
        replace(text, |digits| {
            let next = by_digits.len() + 1;
            let name = by_digits.entry(digits.to_owned()).or_insert(next);
            format!("#{name}")
        })
    }

    /// The text with a name for every id that has one, to sort by.
    pub(crate) fn peek(&self, text: &str) -> String {
        replace(text, |digits| {
            let name = self.by_digits.get(digits);
            name.map_or_else(|| "#?".to_owned(), |name| format!("#{name}"))
        })
    }
}

fn replace(text: &str, mut name: impl FnMut(&str) -> String) -> String {
    let mut renamed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        renamed.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find(|c: char| !c.is_ascii_digit());
        let (digits, after) = rest.split_at(end.unwrap_or(rest.len()));
        if digits.len() >= LEAST_DIGITS {
            renamed.push_str(&name(digits));
        } else {
            renamed.push_str(digits);
        }
        rest = after;
    }
    renamed.push_str(rest);
    renamed
}

#[test]
fn ids_are_told_by_the_order_in_which_they_come_up() {
    let (mut one, mut other) = (Names::default(), Names::default());
    let first = one.rename("lead 123456789012345678 of 99, att_987654321098765432");
    assert_eq!(first, "lead #1 of 99, att_#2");
    let text = "lead 222222222222222222 of 99, att_333333333333333333";
    assert_eq!(other.peek(text), "lead #? of 99, att_#?");
    assert_eq!(other.rename(text), first);
    assert_eq!(other.peek(text), first);
    assert_eq!(one.rename("987654321098765432!"), "#2!");
}
