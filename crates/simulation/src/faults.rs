//! Which kinds of faults a run may have; each run draws a random part of them (swarm testing).

use std::fmt;

macro_rules! fault_kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// One kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum FaultKind {
            $($(#[$doc])* $name),+
        }

        impl FaultKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its name on the command line.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text),+
                }
            }
        }
    };
}

fault_kinds! {
    /// Answers to requests that never come, with and without a call.
    LostAnswers = "lost-answers",
    /// 5xx, with and without a call, and on reads.
    Errors = "errors",
    /// 429, and limits of the provider that are lower than ours.
    Refusals = "refusals",
    /// Answers that cannot be read.
    Garbage = "garbage",
    /// Answers that come late.
    LateAnswers = "late-answers",
    /// Callbacks that are lost, doubled, reordered, late, or earlier than the answer.
    Callbacks = "callbacks",
    /// New calls are missing from the list for a while.
    ListLag = "list-lag",
    /// Reads that show an older state: statuses go backwards.
    StaleReads = "stale-reads",
    /// The provider is down for a while.
    Outages = "outages",
    /// Sudden deaths and orderly stops of the process, also several in a row.
    Crashes = "crashes",
    /// The process stands still, as under SIGSTOP.
    Freezes = "freezes",
    /// The wall clock is stepped, and drifts.
    Clock = "clock",
    /// Commits that fail.
    Storage = "storage",
    /// Commits that take long, and senders that are late.
    Slowness = "slowness",
    /// Users whose request was carried out and never answered.
    LostUsers = "lost-users",
    /// The database is put back to an earlier copy, without its marker.
    Restores = "restores",
}

/// A set of fault kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultSet(u32);

impl FaultSet {
    /// No faults.
    pub const NONE: Self = Self(0);

    /// All faults.
    pub const fn all() -> Self {
        Self((1 << FaultKind::ALL.len()) - 1)
    }

    /// Whether `kind` is in it.
    pub const fn has(self, kind: FaultKind) -> bool {
        self.0 & 1 << kind as u32 != 0
    }

    /// The same set with `kind`.
    #[must_use]
    pub const fn with(self, kind: FaultKind) -> Self {
        Self(self.0 | 1 << kind as u32)
    }

    /// The same set without `kind`.
    #[must_use]
    pub const fn without(self, kind: FaultKind) -> Self {
        Self(self.0 & !(1 << kind as u32))
    }

    /// The kinds in it.
    pub fn kinds(self) -> impl Iterator<Item = FaultKind> {
        FaultKind::ALL
            .iter()
            .copied()
            .filter(move |kind| self.has(*kind))
    }

    /// Reads `all`, `none`, or names joined by commas.
    ///
    /// # Errors
    /// The name that is not known.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "all" => return Ok(Self::all()),
            "none" => return Ok(Self::NONE),
            _ => {}
        }
        text.split(',').try_fold(Self::NONE, |set, name| {
            FaultKind::ALL
                .iter()
                .find(|kind| kind.as_str() == name.trim())
                .map(|kind| set.with(*kind))
                .ok_or_else(|| name.trim().to_owned())
        })
    }
}

impl fmt::Display for FaultSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::all() {
            return f.write_str("all");
        }
        if *self == Self::NONE {
            return f.write_str("none");
        }
        let names: Vec<_> = self.kinds().map(FaultKind::as_str).collect();
        f.write_str(&names.join(","))
    }
}
