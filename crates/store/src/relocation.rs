//! Moving an installation from one back end to another: what there is to move, as plain rows.
//!
//! One [`Table`] of the catalogue after the other is read in pages by the back end that is left and
//! written by the one that is moved to, each page together with the [`Key`] that it ends with. The
//! catalogue has the names and types of the target; a source that keeps something otherwise says in
//! its own module how it is read. Each back end has a test that holds its schema against the
//! catalogue, so that a table or a column that nobody moves fails the build.
//!
//! Why a move calls nobody twice:
//! - **One place dials.** The source is locked, and held in a write transaction, from before the
//!   first row is read. The order at the end is: everything is there and counted; the source is
//!   marked as moved, durably, and from then on no process opens it; then the target is opened. A
//!   process that dies anywhere leaves at most one of the two that can be served, and the same
//!   command goes on from there.
//! - **Nothing that was reserved is sent from the target.** The source first does what a fresh server
//!   does: calls that a dead process left on the way become UNKNOWN, and are looked up, never sent.
//! - **Nothing that was called is forgotten.** Attempts in every state, the live ones among them, come
//!   along with their keys, and so do caps, gaps, opt-outs, removals and idempotency keys.
//! - **Doubts come along.** The same first step compares the source with the marker beside it. A
//!   source that is an older copy, or whose clock was wrong, is on hold, and so is the target. The
//!   stretches of time in which the source may have forgotten calls come along too, so the first
//!   process on the target asks the providers about them before it dials. The target is compared
//!   with its own server's identity from its first moment on.
//! - **The way back is held.** When the source is marked as moved, the marker beside it is put ahead
//!   of it. Whoever serves the file again, on purpose or from an older copy in the same place, is on
//!   hold until the providers were asked for the calls that were made from the target.
//!
//! What it must not do: decide anything about calls, or put what a row holds into an error or a log.

use serde::{Deserialize, Serialize};

use crate::{StoreError, StoreResult};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number: an id, a count, an instant in microseconds.
    Integer,
    /// Yes or no.
    Boolean,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds; it may always be empty here, the target knows better.
    pub kind: Kind,
}

/// A table that is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Columns that tell its rows apart and order them.
    pub key: &'static [&'static str],
    /// All of its columns.
    pub columns: &'static [Column],
}

impl Table {
    /// Places of the key's columns among all.
    pub fn key_places(&self) -> impl Iterator<Item = usize> + '_ {
        let place = |name: &&str| self.columns.iter().position(|column| column.name == *name);
        self.key.iter().filter_map(place)
    }
}

macro_rules! tables {
    ($($name:literal by [$($key:literal),+] { $($column:ident: $kind:ident),+ $(,)? })+) => {
        /// Everything that is moved, in an order in which rows refer to rows before them only.
        pub const TABLES: &[Table] = &[$(Table {
            name: $name,
            key: &[$($key),+],
            columns: &[$(Column { name: stringify!($column), kind: Kind::$kind }),+],
        }),+];
    };
}

tables! {
"tenants" by ["tenant_id"] {
    tenant_id: Integer, name: Text, last_sequence: Integer, created_at: Integer,
    test_call_numbers: Text, revision: Integer,
}
"tokens" by ["token_id"] {
    tenant_id: Integer, token_id: Integer, name: Text, scopes: Text, enabled: Boolean,
    hash: Bytes, masked: Text, expires_at: Integer, revision: Integer, created_at: Integer,
}
"idempotency" by ["tenant_id", "operation", "key"] {
    tenant_id: Integer, operation: Text, key: Text, fingerprint: Bytes, status: Integer,
    revision: Integer, body: Bytes, expires_at: Integer,
}
"lines" by ["line_id"] {
    tenant_id: Integer, line_id: Integer, provider: Text, name: Text, base_url: Text,
    sealed_credentials: Bytes, sealed_webhook_secret: Bytes, line_key: Text,
    max_concurrent_calls: Integer, max_calls_per_second: Integer, revision: Integer,
    account: Integer, next_start_at: Integer, virtual_time: Integer, failures: Integer,
    rests_until: Integer, rest_reason: Text, wake_at: Integer, created_at: Integer,
    updated_at: Integer,
}
"number_rests" by ["line_id", "phone_number_id"] {
    tenant_id: Integer, line_id: Integer, phone_number_id: Text, rests_until: Integer,
}
"pools" by ["pool_id"] {
    tenant_id: Integer, pool_id: Integer, line_id: Integer, name: Text, strategy: Text,
    revision: Integer, created_at: Integer, updated_at: Integer,
}
"pool_numbers" by ["pool_id", "phone_number_id"] {
    tenant_id: Integer, pool_id: Integer, position: Integer, phone_number_id: Text,
    e164: Text, max_concurrent_calls: Integer, enabled: Boolean, last_used: Integer,
}
"campaigns" by ["campaign_id"] {
    tenant_id: Integer, campaign_id: Integer, line_id: Integer, pool_id: Integer, kind: Text,
    status: Text, status_reason: Text, name: Text, settings: Text, revision: Integer,
    unverified: Boolean, next_start_at: Integer, pass: Integer, circuit_failures: Integer,
    circuit_open_until: Integer, wake_at: Integer, created_at: Integer, updated_at: Integer,
}
"revisions" by ["campaign_id", "revision"] {
    tenant_id: Integer, campaign_id: Integer, revision: Integer, token_id: Integer,
    changes: Text, created_at: Integer,
}
"leads" by ["lead_id"] {
    tenant_id: Integer, campaign_id: Integer, lead_id: Integer, phone: Text, status: Text,
    timezone: Text, rank: Integer, not_before: Integer, attempts_made: Integer,
    last_outcome: Text, last_attempt_at: Integer, requeued_at: Integer, first_name: Text,
    last_name: Text, email: Text, custom_fields: Text, revision: Integer, created_at: Integer,
    updated_at: Integer,
}
"due" by ["campaign_id", "rank", "zone", "due_at", "lead_id"] {
    tenant_id: Integer, campaign_id: Integer, rank: Integer, zone: Text, due_at: Integer,
    lead_id: Integer,
}
"suppressions" by ["tenant_id", "phone"] {
    tenant_id: Integer, phone: Text, suppression_id: Integer, reason: Text, source: Text,
    expires_at: Integer, created_at: Integer,
}
"attempts" by ["attempt_id"] {
    tenant_id: Integer, attempt_id: Integer, campaign_id: Integer, lead_id: Integer,
    line_id: Integer, account: Integer, node: Integer, recalled: Boolean,
    attempt_number: Integer, phone: Text, phone_number_id: Text, assistant_id: Text,
    entity: Text, attempt_key: Text, state: Text, live: Boolean, counts: Boolean,
    outcome: Text, ended_reason: Text, provider_call_id: Text, control_url: Text,
    revision: Integer, verdict: Text, planned_at: Integer, send_not_after: Integer,
    unknown_at: Integer, placed_at: Integer, ringing_at: Integer, in_progress_at: Integer,
    ended_at: Integer, gap_from: Integer, probes: Integer, absent_at: Integer,
    missed: Boolean, check_at: Integer,
}
"call_details" by ["attempt_id"] {
    tenant_id: Integer, attempt_id: Integer, started_at: Integer, ended_at: Integer,
    cost_micro_usd: Integer, transcript: Text, summary: Text, recording_url: Text,
    structured_data: Text,
}
"events" by ["tenant_id", "sequence"] {
    tenant_id: Integer, sequence: Integer, type: Text, campaign_id: Integer, lead_id: Integer,
    attempt_id: Integer, data: Text, created_at: Integer,
}
"imports" by ["import_id"] {
    tenant_id: Integer, import_id: Integer, campaign_id: Integer, token_id: Integer,
    on_duplicate: Text, total: Integer, processed: Integer, added: Integer, updated: Integer,
    skipped: Integer, rejected: Integer, source_campaign_id: Integer, copied_to: Integer,
    copies_up_to: Integer, turn: Integer, asked_after: Integer, created_at: Integer,
    finished_at: Integer,
}
"import_rows" by ["import_id", "row"] {
    tenant_id: Integer, import_id: Integer, row: Integer, lead: Text,
}
"import_removals" by ["campaign_id", "phone"] {
    tenant_id: Integer, campaign_id: Integer, phone: Text, sequence: Integer,
}
"erasures" by ["subject_id"] {
    tenant_id: Integer, subject_id: Integer, kind: Text, created_at: Integer,
}
"holds" by ["hold_id"] {
    hold_id: Integer, reason: Text, detail: Text, since: Integer, ends_at: Integer,
    ended_at: Integer, ended_by: Text,
}
"gaps" by ["gap_id"] {
    gap_id: Integer, from_at: Integer, until_at: Integer,
}
"held_lines" by ["line_id"] {
    tenant_id: Integer, line_id: Integer, progress: Text, calls_seen: Integer,
    adopted: Integer, unmatched: Integer, note: Text, updated_at: Integer,
}
"strange_calls" by ["attempt_key"] {
    tenant_id: Integer, attempt_key: Text, line_id: Integer, provider_call_id: Text,
    seen_at: Integer,
}
"meta" by ["key"] {
    key: Text, value: Text,
}}

/// One column of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cells {
    /// Whole numbers.
    Integers(Vec<Option<i64>>),
    /// Yes or no.
    Booleans(Vec<Option<bool>>),
    /// Texts.
    Texts(Vec<Option<String>>),
    /// Bytes.
    Bytes(Vec<Option<Vec<u8>>>),
}

impl Cells {
    /// None yet.
    pub const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Integer => Self::Integers(Vec::new()),
            Kind::Boolean => Self::Booleans(Vec::new()),
            Kind::Text => Self::Texts(Vec::new()),
            Kind::Bytes => Self::Bytes(Vec::new()),
        }
    }

    /// The last one as a part of a key; `None`: there is none, or it cannot be one.
    pub fn last_key_part(&self) -> Option<KeyPart> {
        match self {
            Self::Integers(cells) => cells.last().copied()?.map(KeyPart::Number),
            Self::Texts(cells) => cells.last()?.clone().map(KeyPart::Text),
            Self::Booleans(_) | Self::Bytes(_) => None,
        }
    }
}

/// A part of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum KeyPart {
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub Vec<KeyPart>);

impl Key {
    /// As it is kept.
    pub fn text(&self) -> String {
        // Numbers and texts always have a JSON text.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What was kept.
    ///
    /// # Errors
    /// It is not the text of a key.
    pub fn parse(text: &str) -> StoreResult<Self> {
        // The text itself may hold a phone number.
        let fault = |_| StoreError::Corrupt("a kept key cannot be read".to_owned());
        serde_json::from_str(text).map_err(fault)
    }
}

/// Some rows of a table, in the order of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// A table's columns, in its order, equally long.
    pub columns: Vec<Cells>,
    /// How many rows they have.
    pub rows: u64,
    /// Key of the last row; `None`: there is no row.
    pub last: Option<Key>,
    /// Whether no row follows.
    pub is_last: bool,
}

/// How far a table is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows that are there.
    pub rows: u64,
    /// Key of the last one.
    pub last: Option<Key>,
    /// Whether none is missing.
    pub is_whole: bool,
}

impl Progress {
    /// A page more.
    pub fn advance(&mut self, page: &Page) {
        self.rows += page.rows;
        self.is_whole = page.is_last;
        if page.last.is_some() {
            self.last.clone_from(&page.last);
        }
    }
}

/// Leads of campaigns by status: kept by each back end's own counters, so that they check more than
/// that rows arrived.
pub type LeadsByStatus = std::collections::BTreeMap<String, i64>;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_catalogue_names_nothing_twice_and_every_key_is_a_column() {
        let names: BTreeSet<_> = TABLES.iter().map(|table| table.name).collect();
        assert_eq!(names.len(), TABLES.len());
        for table in TABLES {
            let columns: BTreeSet<_> = table.columns.iter().map(|column| column.name).collect();
            assert_eq!(columns.len(), table.columns.len(), "{}", table.name);
            assert_eq!(
                table.key_places().count(),
                table.key.len(),
                "{}",
                table.name
            );
            for place in table.key_places() {
                let kind = table.columns[place].kind;
                assert!(matches!(kind, Kind::Integer | Kind::Text), "{}", table.name);
            }
        }
    }

    #[test]
    fn a_key_is_read_as_it_was_kept() {
        let key = Key(vec![
            KeyPart::Number(i64::MAX),
            KeyPart::Text("a\"b\u{e4}".to_owned()),
            KeyPart::Number(i64::MIN),
        ]);
        assert_eq!(Key::parse(&key.text()).unwrap(), key);
        for text in ["", "{}", "[1.5]", "[null]", "7"] {
            let error = Key::parse(text).unwrap_err().to_string();
            assert!(error.contains("cannot be read"), "{error}");
        }
    }
}
