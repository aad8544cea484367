//! Pages of lists that a vendor keeps.
//!
//! The vendor is asked for its whole list each time, as far as it gives one in one answer. A cursor
//! names the last object of its page, so objects that the vendor adds meanwhile shift nothing; where
//! that object is gone, the list has to be read anew. A cursor never names an account: with another
//! line's cursor the list of this line is searched, and no other.

use domain::fault::Fault;
use sha2::{Digest, Sha256};
use store::PageRequest;

use crate::code;
use crate::cursor::{self, ListKind};
use crate::error::{ApiError, ApiResult};

/// The page of `all` that was asked for, and the cursor of the one after it.
pub(super) fn page<T>(
    kind: ListKind,
    mut all: Vec<T>,
    request: PageRequest,
    id: impl Fn(&T) -> &str,
) -> ApiResult<(Vec<T>, Option<String>)> {
    let mut page = match request.before {
        None => all,
        Some(last) => {
            // The last one of that name, so that a list with repetitions has an end as well.
            let found = all.iter().rposition(|item| position(id(item)) == last);
            all.split_off(found.ok_or_else(gone)? + 1)
        }
    };
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
    let is_last = page.len() <= limit;
    page.truncate(limit);
    let last = page.last().filter(|_| !is_last);
    let next = last.map(|item| cursor::encode(kind, position(id(item))));
    Ok((page, next))
}

/// A number for a vendor's id.
fn position(id: &str) -> i64 {
    let digest = Sha256::digest(id.as_bytes());
    let first: [u8; 8] = std::array::from_fn(|index| digest[index]);
    i64::from_be_bytes(first)
}

fn gone() -> ApiError {
    let message = "The voice provider no longer lists what `cursor` points to; read the list from its beginning.";
    ApiError::Validation(vec![Fault::new("cursor", code::INVALID_CURSOR, message)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(all: &[&'static str], limit: u32) -> Vec<Vec<&'static str>> {
        let mut pages = Vec::new();
        let mut before = None;
        loop {
            let request = PageRequest { limit, before };
            let (items, next) = page(ListKind::Assistants, all.to_vec(), request, |id| id).unwrap();
            pages.push(items);
            match next {
                Some(next) => before = Some(cursor::decode(ListKind::Assistants, &next).unwrap()),
                None => return pages,
            }
        }
    }

    #[test]
    fn pages_join_to_the_list() {
        assert_eq!(pages(&[], 2), [Vec::<&str>::new()]);
        assert_eq!(pages(&["a", "b"], 2), [vec!["a", "b"]]);
        assert_eq!(pages(&["a", "b", "c"], 2), [vec!["a", "b"], vec!["c"]]);
        // Repetitions are cut, not walked for ever.
        assert_eq!(pages(&["a", "b", "a", "c"], 1), [["a"], ["c"]]);
    }

    #[test]
    fn what_is_added_shifts_nothing_and_what_is_gone_is_told() {
        let before = Some(position("b"));
        let at = |all: Vec<&'static str>| {
            let request = PageRequest { limit: 9, before };
            page(ListKind::Assistants, all, request, |id| id)
        };
        assert_eq!(at(vec!["new", "a", "b", "c"]).unwrap().0, ["c"]);
        assert!(matches!(at(vec!["a", "c"]), Err(ApiError::Validation(_))));
    }
}
