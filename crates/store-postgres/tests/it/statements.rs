//! Every statement names its tenant, but for those of the server itself.

use std::path::{Path, PathBuf};

/// Statements of the server itself: a piece of each, and why it has no tenant.
const OF_THE_SERVER: &[(&str, &str)] = &[
    ("FROM tokens LIMIT 1", "whether anybody can log in at all"),
    ("WHERE hash = $1", "a token says whose it is"),
    ("WHERE line_id = $1", "the dialer knows a line by its id"),
    ("WHERE line_key = $1", "a callback knows a line by its key"),
    ("WHERE name = $1", "a tenant is made by its name"),
    ("WHERE tenant_id < $1", "the list of tenants"),
    ("SELECT tenant_id FROM tenants", "every tenant in turn"),
    (
        "WHERE lead_id = ANY($1)",
        "what assistants shall know of leads the dialer has",
    ),
    ("WHERE wake_at <= $1", "due lines of all tenants"),
    ("SELECT min(wake_at)", "the next due line of all tenants"),
    ("WHERE check_at <= $1", "due look-ups of all tenants"),
    (
        "SELECT min(check_at)",
        "the next due look-up of all tenants",
    ),
    (
        "UPDATE attempts SET check_at = $2",
        "leasing claimed look-ups",
    ),
    ("node <> ALL($1)", "calls of dead nodes"),
    (
        "SELECT DISTINCT tenant_id FROM attempts",
        "test calls of all tenants that no node has claimed",
    ),
    (
        "attempt_id = ANY($1) AND state",
        "test calls this process holds",
    ),
    ("WITH ORDINALITY AS told", "whose attempts facts are about"),
    (
        "SELECT 1 FROM imports WHERE finished_at",
        "whether any import waits",
    ),
    ("WITH RECURSIVE oldest", "whose import is next"),
    (
        "subject_id, kind FROM erasures",
        "what is to be erased next",
    ),
    ("DELETE FROM idempotency USING", "sweeping expired keys"),
    ("SELECT greatest(", "the greatest id"),
    ("AS running_campaigns", "figures for metrics"),
    (
        "INSERT INTO meta",
        "a write that proves the database takes writes",
    ),
    ("FROM pg_locks", "which nodes live"),
    ("pg_advisory_xact_lock", "the lock of the hold"),
    ("SELECT pg_advisory_lock", "the lock of a move"),
    (
        "FROM installation",
        "whether the server is still the one of the last calls",
    ),
    ("UPDATE installation", "the installation's name and server"),
    ("FROM holds", "what keeps everybody from dialing"),
    ("INSERT INTO holds", "what keeps everybody from dialing"),
    ("UPDATE holds", "what keeps everybody from dialing"),
    ("FROM gaps", "what everybody may have forgotten"),
    ("INSERT INTO gaps", "what everybody may have forgotten"),
    ("DELETE FROM held_lines", "lines to ask, of all tenants"),
    ("INSERT INTO held_lines", "lines to ask, of all tenants"),
    ("FROM held_lines JOIN lines", "lines to ask, of all tenants"),
    (
        "FROM strange_calls ORDER BY",
        "strange calls of all tenants",
    ),
    (
        "UNNEST($1::text[]) WITH ORDINALITY AS asked",
        "whether keys are known",
    ),
    (
        "FROM lines WHERE line_id = ANY($1)",
        "whose lines are asked",
    ),
    (
        "WHERE live AND state = 'DISPATCHING' AND (node <> $1",
        "calls of all tenants that other nodes are sending",
    ),
    ("FROM relocation", "whether the database is moved to"),
    ("INSERT INTO relocation", "that the database is moved to"),
    ("UPDATE relocation SET", "that the database is moved to"),
    ("FROM pg_stat_activity", "who else uses the database"),
    ("JOIN pg_class", "how large tables are"),
    ("SELECT count(*) FROM \\", "a move, of all tenants"),
    ("SELECT EXISTS (SELECT 1 FROM \\", "a move, of all tenants"),
    ("INSERT INTO \\", "a move, of all tenants"),
    ("AS total FROM lead_counts", "counting after a move"),
    (
        "DELETE FROM lead_counts WHERE NOT EXISTS",
        "counting after a move",
    ),
    ("DELETE FROM meta", "what an idle process left"),
    ("set_config(", "saying the tenant"),
    ("pg_try_advisory_lock", "claiming a node's number"),
    ("pg_xact_status", "what has become of a commit"),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if !["migrate.rs", "room.rs"]
            .iter()
            .any(|made| path.ends_with(made))
        {
            found.push(path);
        }
    }
}

/// Files that put statements together, and from what.
const PUT_TOGETHER: &[(&str, &str)] =
    &[("relocation/sql.rs", "constants of a catalogue of tables")];

/// The string literals of a source file, without its comments and tests.
fn literals(source: &str) -> Vec<String> {
    literals_of(&code_of(source))
}

fn code_of(source: &str) -> String {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let code = code.lines().filter(is_code).collect::<Vec<_>>().join("\n");
    let mut pieces = code.split("r#\"");
    let mut read = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (raw, rest) = piece.split_once("\"#").unwrap();
        read.push('"');
        read.push_str(&raw.replace('"', QUOTE));
        read.push('"');
        read.push_str(rest);
    }
    read
}

/// Stands for a quotation mark inside of a literal.
const QUOTE: &str = "\u{1}";

fn literals_of(code: &str) -> Vec<String> {
    let one_line = |literal: &str| literal.split_whitespace().collect::<Vec<_>>().join(" ");
    code.split('"').skip(1).step_by(2).map(one_line).collect()
}

/// A macro that puts literals together: what it takes, whom it calls, and with what.
struct PutsTogether<'a> {
    name: &'a str,
    takes: Vec<&'a str>,
    calls: &'a str,
    with: Vec<Piece<'a>>,
}

enum Piece<'a> {
    Literal(&'a str),
    Taken(&'a str),
}

/// Literals and names of arguments, separated by commas; and how much of the text they are.
fn pieces(text: &str) -> (Vec<Piece<'_>>, usize) {
    let (mut found, mut rest) = (Vec::new(), text);
    loop {
        let next = rest.trim_start_matches(|letter: char| letter.is_whitespace() || letter == ',');
        let end = if let Some(literal) = next.strip_prefix('"') {
            let (literal, _) = literal.split_once('"').unwrap();
            found.push(Piece::Literal(literal));
            literal.len() + 2
        } else if let Some(name) = next.strip_prefix('$') {
            let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            let end = name.find(|letter| !is_name(letter)).unwrap_or(name.len());
            found.push(Piece::Taken(&name[..end]));
            end + 1
        } else {
            return (found, text.len() - rest.len());
        };
        rest = &next[end..];
    }
}

fn macros(code: &str) -> Vec<PutsTogether<'_>> {
    let read = |text| {
        let (name, rest) = str::split_once(text, " {")?;
        let (takes, rest) = rest.split_once('(')?.1.split_once(") => {")?;
        let (calls, rest) = rest.split_once("!(")?;
        let takes = takes.split(',').filter_map(|taken| {
            let (argument, kind) = taken.trim().strip_prefix('$')?.split_once(':')?;
            (kind == "literal").then_some(argument)
        });
        Some(PutsTogether {
            name,
            takes: takes.collect(),
            calls: calls.trim(),
            with: pieces(rest).0,
        })
    };
    let found = code.split("macro_rules! ").skip(1).filter_map(read);
    found.filter(|found| !found.takes.is_empty()).collect()
}

/// What the compiler makes of such a macro.
fn expanded(name: &str, taken: &[&str], macros: &[PutsTogether<'_>]) -> String {
    let Some(known) = macros.iter().find(|known| known.name == name) else {
        assert_eq!(name, "concat", "a macro that puts statements together");
        return taken.concat();
    };
    let value = |piece: &Piece<'_>| match piece {
        Piece::Literal(text) => (*text).to_owned(),
        Piece::Taken(name) => {
            let place = known.takes.iter().position(|takes| takes == name);
            taken[place.unwrap()].to_owned()
        }
    };
    let values: Vec<String> = known.with.iter().map(value).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    expanded(known.calls, &values, macros)
}

/// Every statement as the server gets it, and its file. Those of a move are left out: they are put
/// together while it runs, and read whole tables on purpose.
pub(crate) fn whole_statements() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, mut statements) = (Vec::new(), Vec::new());
    sources(&folder, &mut files);
    files.sort();
    for file in files {
        let name = file.strip_prefix(&folder).unwrap().display().to_string();
        if name.starts_with("relocation") {
            continue;
        }
        let code = code_of(&std::fs::read_to_string(&file).unwrap());
        let macros = macros(&code);
        let mut found = literals_of(&code);
        // Heads and conditions of macros are parts only.
        found.retain(|literal| !macros.iter().any(|known| known.is_part(literal)));
        for known in &macros {
            let call = format!("{}!(", known.name);
            for (place, _) in code.match_indices(&call) {
                let (taken, _) = pieces(&code[place + call.len()..]);
                let literal = |piece| match piece {
                    Piece::Literal(text) => Some(text),
                    Piece::Taken(_) => None,
                };
                let taken: Option<Vec<&str>> = taken.into_iter().map(literal).collect();
                if let Some(taken) = taken.filter(|taken| taken.len() == known.takes.len()) {
                    let whole = expanded(known.name, &taken, &macros);
                    found.extend(literals_of(&format!("\"{whole}\"")));
                }
            }
        }
        found.retain(|literal| is_statement(literal) && !literal.starts_with("WHERE "));
        let unescaped = found
            .iter()
            .map(|text| text.replace("\\\\", "\\").replace(QUOTE, "\""));
        statements.extend(unescaped.map(|text| (name.clone(), text)));
    }
    statements
}

impl PutsTogether<'_> {
    fn is_part(&self, literal: &str) -> bool {
        let is = |piece: &Piece<'_>| match piece {
            Piece::Literal(text) => literals_of(&format!("\"{text}\"")) == [literal],
            Piece::Taken(_) => false,
        };
        self.with.iter().any(is)
    }
}

fn is_statement(literal: &str) -> bool {
    [
        "SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH ", "WHERE ",
    ]
    .iter()
    .any(|verb| literal.starts_with(verb))
}

/// The first half of a statement whose condition comes from a macro's other literal.
fn is_head(literal: &str) -> bool {
    let (_, source) = literal.rsplit_once(" FROM ").unwrap_or_default();
    literal.starts_with("SELECT ") && !source.contains(" WHERE ") && !literal.contains('$')
}

fn names_its_tenant(literal: &str) -> bool {
    let joins = literal.contains("$1::bigint AS tenant_id")
        && literal.contains(".tenant_id = told.tenant_id");
    joins || literal.contains("tenant_id = $") || literal.contains("(tenant_id, ")
}

#[test]
fn every_statement_names_its_tenant() {
    let mut files = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    sources(&folder, &mut files);
    let (mut statements, mut used) = (0, vec![false; OF_THE_SERVER.len()]);
    for file in files {
        let source = std::fs::read_to_string(&file).unwrap();
        for literal in literals(&source).iter().filter(|text| is_statement(text)) {
            statements += 1;
            let known = OF_THE_SERVER
                .iter()
                .position(|(piece, _)| literal.contains(piece));
            if let Some(place) = known {
                used[place] = true;
                continue;
            }
            assert!(
                names_its_tenant(literal) || is_head(literal),
                "{}: this statement names no tenant: {literal}",
                file.display()
            );
        }
    }
    assert!(statements > 100, "only {statements} statements were found");
    let unused: Vec<_> = OF_THE_SERVER
        .iter()
        .zip(used)
        .filter(|(_, used)| !used)
        .collect();
    assert!(unused.is_empty(), "no such statements any more: {unused:?}");
}

/// The one statement that asks the database's clock, and the only one in its file: its answer is
/// compared with this machine's clock, and decides nothing about campaigns.
const ASKS_THE_CLOCK: (&str, &str) = (
    "src/ops/clock.rs",
    "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS micros",
);

#[test]
fn no_statement_asks_the_databases_clock_or_is_put_together() {
    let mut files = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    sources(&folder.join("src"), &mut files);
    sources(&folder.join("migrations"), &mut files);
    for file in files {
        let source = std::fs::read_to_string(&file).unwrap();
        if file.ends_with(ASKS_THE_CLOCK.0) {
            let all = literals(&source);
            let statements: Vec<_> = all.iter().filter(|text| is_statement(text)).collect();
            assert_eq!(statements, [ASKS_THE_CLOCK.1]);
            continue;
        }
        let source = source.to_lowercase();
        for clock in ["now()", "current_timestamp", "clock_timestamp", "localtime"] {
            let asks = source.contains(clock) && !source.contains(&format!("{clock} is never"));
            assert!(!asks, "{} asks the clock: {clock}", file.display());
        }
        if PUT_TOGETHER.iter().any(|(name, _)| file.ends_with(name)) {
            continue;
        }
        for verb in [
            "format!(\"select",
            "format!(\"insert",
            "format!(\"update",
            "format!(\"delete",
        ] {
            assert!(!source.contains(verb), "{} formats SQL", file.display());
        }
    }
}

/// What becomes of a commit whose answer is lost is thought of in one place.
#[test]
fn only_one_file_commits() {
    let mut files = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    let commits =
        |file: &PathBuf| code_of(&std::fs::read_to_string(file).unwrap()).contains("COMMIT\"");
    let found: Vec<_> = files.into_iter().filter(commits).collect();
    assert!(
        found.len() == 1 && found[0].ends_with("commit.rs"),
        "{found:?}"
    );
}
