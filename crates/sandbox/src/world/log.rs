//! An append-only list that forgets its oldest entries.

use std::collections::VecDeque;

/// Entries numbered from 0 in order of arrival, at most `capacity` of them kept.
#[derive(Debug)]
pub(crate) struct Log<T> {
    first: u64,
    entries: VecDeque<T>,
    capacity: usize,
}

impl<T> Log<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            first: 0,
            entries: VecDeque::new(),
            capacity,
        }
    }

    /// The number that the next entry will get.
    pub(crate) fn next_number(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Appends and returns the number, forgetting the oldest entry when full.
    pub(crate) fn push(&mut self, entry: T) -> u64 {
        if self.entries.len() >= self.capacity {
            self.pop_oldest();
        }
        self.entries.push_back(entry);
        self.next_number() - 1
    }

    pub(crate) fn pop_oldest(&mut self) -> Option<T> {
        let oldest = self.entries.pop_front()?;
        self.first += 1;
        Some(oldest)
    }

    pub(crate) fn oldest(&self) -> Option<&T> {
        self.entries.front()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn get(&self, number: u64) -> Option<&T> {
        self.entries.get(self.position(number)?)
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let position = self.position(number)?;
        self.entries.get_mut(position)
    }

    /// The kept entries from `number` on, in order.
    pub(crate) fn iter_from(&self, number: u64) -> impl DoubleEndedIterator<Item = &T> {
        let skipped = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.entries.range(skipped.min(self.entries.len())..)
    }

    fn position(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_when_old_entries_go() {
        let mut log = Log::new(3);
        for entry in 0..5 {
            assert_eq!(log.push(entry), entry);
        }
        assert_eq!(
            (log.get(1), log.get(2), log.get(4), log.get(5)),
            (None, Some(&2), Some(&4), None)
        );
        assert_eq!(log.iter_from(0).copied().collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(log.iter_from(4).copied().collect::<Vec<_>>(), [4]);
        assert_eq!(log.iter_from(99).count(), 0);
    }
}
