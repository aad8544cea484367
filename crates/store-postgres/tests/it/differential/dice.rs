//! Choices read from bytes: the same bytes are the same choices on both sides, and smaller bytes,
//! to which a failing run is shrunk, are plainer choices.

/// Bytes that are used up choice by choice; when they end, every choice is the first one.
#[derive(Debug)]
pub(crate) struct Dice<'a> {
    left: &'a [u8],
}

impl<'a> Dice<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    /// What is left of them.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.left
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, left)) = self.left.split_first() else {
            return 0;
        };
        self.left = left;
        *first
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u8) -> u8 {
        self.byte() % end.max(1)
    }

    /// Yes, once in so many times.
    pub(crate) fn one_in(&mut self, times: u8) -> bool {
        self.below(times) == times - 1
    }

    /// One of these.
    pub(crate) fn of<T: Clone>(&mut self, all: &[T]) -> T {
        let place = usize::from(self.byte()) % all.len();
        all[place].clone()
    }

    /// One of these, once in so many times.
    pub(crate) fn maybe<T: Clone>(&mut self, times: u8, all: &[T]) -> Option<T> {
        self.one_in(times).then(|| self.of(all))
    }
}
