//! Collecting faults, and the nearest known name for an unknown one.

use std::collections::HashSet;

use domain::fault::Fault;

use crate::error::{ApiError, ApiResult};

/// Most faults told at once; nobody reads more, and a bulk body could hold a million.
const MAX_TOLD: usize = 1_000;

/// Faults of one input, in the order they were found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// Adds one.
    pub(crate) fn add(
        &mut self,
        field: impl Into<String>,
        code: &'static str,
        message: impl Into<String>,
    ) {
        self.0.push(Fault::new(field, code, message));
    }

    /// Adds one made elsewhere.
    pub(crate) fn push(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Adds what a later check found, except on fields that are known to be faulty already: the
    /// later check did not see what was given there. When the whole input is faulty, it saw nothing.
    pub(crate) fn add_followups(&mut self, later: impl IntoIterator<Item = Fault>) {
        if self.has("") {
            return;
        }
        let known = self.roots();
        let news = later
            .into_iter()
            .filter(|fault| !known.contains(root(&fault.field)));
        let news: Vec<_> = news.collect();
        self.0.extend(news);
    }

    /// The value, or the fault it has.
    pub(crate) fn take<T>(&mut self, checked: Result<T, Fault>) -> Option<T> {
        checked.map_err(|fault| self.push(fault)).ok()
    }

    /// The top-level names that have a fault.
    pub(crate) fn roots(&self) -> HashSet<&str> {
        self.0.iter().map(|fault| root(&fault.field)).collect()
    }

    /// Whether `field` (a top-level name) has a fault.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.0.iter().any(|fault| root(&fault.field) == field)
    }

    /// Whether there are none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Changes or drops (`None`) each fault.
    pub(crate) fn rewrite(&mut self, change: impl FnMut(Fault) -> Option<Fault>) {
        self.0 = std::mem::take(&mut self.0)
            .into_iter()
            .filter_map(change)
            .collect();
    }

    /// What was read, unless there are faults.
    pub(crate) fn settle<T>(self, read: Option<T>) -> ApiResult<T> {
        self.check()?;
        read.ok_or_else(|| {
            ApiError::Internal("an input without faults could not be read".to_owned())
        })
    }

    /// All of them as an error, if there are any.
    pub(crate) fn check(self) -> ApiResult<()> {
        let mut faults = self.0;
        if faults.is_empty() {
            return Ok(());
        }
        faults.truncate(MAX_TOLD);
        Err(ApiError::Validation(faults))
    }
}

impl From<Vec<Fault>> for Faults {
    fn from(faults: Vec<Fault>) -> Self {
        Self(faults)
    }
}

/// The top-level name of a field: `windows` of `windows[1].start_time`.
pub(crate) fn root(field: &str) -> &str {
    let end = field
        .char_indices()
        .skip(1)
        .find(|(_, c)| matches!(c, '.' | '['));
    end.map_or(field, |(end, _)| &field[..end])
}

/// `; did you mean …?` for the known name that is nearest to `name`, or nothing if none is near.
pub(crate) fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let name: Vec<char> = name.chars().take(64).flat_map(char::to_lowercase).collect();
    let nearest = known
        .into_iter()
        .map(|candidate| {
            (
                distance(&name, &candidate.chars().collect::<Vec<_>>()),
                candidate,
            )
        })
        .min_by_key(|(distance, _)| *distance);
    match nearest {
        Some((distance, candidate)) if distance * 2 <= name.len().max(candidate.len()) => {
            format!("; did you mean `{candidate}`?")
        }
        _ => ".".to_owned(),
    }
}

/// Edit distance, where swapping neighbours costs one.
fn distance(left: &[char], right: &[char]) -> usize {
    let width = right.len() + 1;
    let mut table = vec![0; (left.len() + 1) * width];
    for (column, cell) in table.iter_mut().take(width).enumerate() {
        *cell = column;
    }
    for row in 1..=left.len() {
        table[row * width] = row;
        for column in 1..width {
            let (a, b) = (left[row - 1], right[column - 1]);
            let above = (row - 1) * width + column;
            let here = row * width + column;
            let mut least = (table[above] + 1)
                .min(table[here - 1] + 1)
                .min(table[above - 1] + usize::from(a != b));
            if row > 1 && column > 1 && a == right[column - 2] && left[row - 2] == b {
                least = least.min(table[(row - 2) * width + column - 2] + 1);
            }
            table[here] = least;
        }
    }
    table.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_only_when_it_is_near() {
        let known = ["daily_start_time", "daily_end_time", "name", "timezone"];
        let suggest = |name| suggestion(name, known);
        assert_eq!(suggest("time_zone"), "; did you mean `timezone`?");
        assert_eq!(
            suggest("dialy_start_time"),
            "; did you mean `daily_start_time`?"
        );
        assert_eq!(suggest("Name"), "; did you mean `name`?");
        assert_eq!(suggest("colour_of_the_sky"), ".");
        assert_eq!(suggestion("x", []), ".");
    }

    #[test]
    fn a_later_check_does_not_report_a_faulty_field_again() {
        let mut faults = Faults::default();
        faults.add("windows[1].start_time", "invalid_type", "");
        faults.add_followups([
            Fault::new("windows", "required", ""),
            Fault::new("name", "required", ""),
            Fault::new("name", "too_long", ""),
        ]);
        assert!(faults.has("windows") && faults.has("name") && !faults.has("window"));
        assert_eq!(faults.0.len(), 3);
    }

    #[test]
    fn the_root_of_an_item_of_a_bare_list_is_the_item() {
        assert_eq!(root("a.b[0]"), "a");
        assert_eq!(root("[3].phone_number"), "[3]");
        assert_eq!(root("plain"), "plain");
    }
}
