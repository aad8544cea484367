//! Every setting, once.

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// `true` or `false`; as a flag it needs no value.
    Switch,
    /// A whole number in this range, both ends included.
    Whole(u64, u64),
    /// A number in this range, both ends included.
    Number(u32, u32),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Words separated by commas; a list in the file.
    Words,
}

/// A command that takes settings as flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    Serve,
    Demo,
    Sandbox,
    TokenCreate,
    TokenList,
    TokenDisable,
    HoldStatus,
    HoldRelease,
    Doctor,
    Migrate,
    Config,
    Simulate,
}

/// A setting. Its key in the file also names its environment variable.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Key in `campanile.toml`, with its table before a dot.
    pub(crate) key: &'static str,
    /// Flag without its dashes; `None` for secrets, which every user of the machine could read
    /// from the list of processes.
    pub(crate) flag: Option<&'static str>,
    /// Commands that take the flag.
    pub(crate) commands: &'static [Command],
    /// What it looks like.
    pub(crate) kind: Kind,
    /// Name of the value in help texts.
    pub(crate) value_name: &'static str,
    /// Value when nobody says anything; `None` is explained in `help`.
    pub(crate) default: Option<&'static str>,
    /// Never shown.
    pub(crate) secret: bool,
    /// One sentence.
    pub(crate) help: &'static str,
}

impl Setting {
    /// The environment variable.
    pub(crate) fn variable(&self) -> String {
        format!("CAMPANILE_{}", self.key.replace('.', "_").to_uppercase())
    }

    /// The setting with this key.
    pub(crate) fn find(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }
}

const EVERY: &[Command] = &[
    Command::Serve,
    Command::Demo,
    Command::Sandbox,
    Command::TokenCreate,
    Command::TokenList,
    Command::TokenDisable,
    Command::HoldStatus,
    Command::HoldRelease,
    Command::Doctor,
    Command::Migrate,
    Command::Config,
    Command::Simulate,
];

const WITH_DATABASE: &[Command] = &[
    Command::Serve,
    Command::TokenCreate,
    Command::TokenList,
    Command::TokenDisable,
    Command::HoldStatus,
    Command::HoldRelease,
    Command::Doctor,
    Command::Migrate,
    Command::Config,
];

/// What `serve` takes and those that look at the same settings.
const SERVING: &[Command] = &[Command::Serve, Command::Doctor, Command::Config];

/// What works with the key.
const WITH_KEY: &[Command] = &[
    Command::Serve,
    Command::Doctor,
    Command::Migrate,
    Command::Config,
];

const TOKENS: &[Command] = &[
    Command::TokenCreate,
    Command::TokenList,
    Command::TokenDisable,
];

const PRINTING: &[Command] = &[
    Command::TokenCreate,
    Command::TokenList,
    Command::TokenDisable,
    Command::HoldStatus,
    Command::HoldRelease,
    Command::Doctor,
    Command::Migrate,
    Command::Config,
    Command::Simulate,
];

/// A setting that most differ from in a few fields only.
const PLAIN: Setting = Setting {
    key: "",
    flag: None,
    commands: &[],
    kind: Kind::Text,
    value_name: "TEXT",
    default: None,
    secret: false,
    help: "",
};

/// All settings, in the order in which they are shown.
pub(crate) const SETTINGS: &[Setting] = &[
    Setting {
        key: "listen",
        flag: Some("listen"),
        commands: SERVING,
        value_name: "ADDRESS",
        default: Some("127.0.0.1:8080"),
        help: "Address and port of the API and the dashboard; port 0 takes a free one",
        ..PLAIN
    },
    Setting {
        key: "database_url",
        flag: Some("database-url"),
        commands: WITH_DATABASE,
        value_name: "URL",
        default: Some("sqlite://campanile.db"),
        help: "Database: sqlite://FILE (made if it is missing), or postgres://USER@HOST/NAME for any number of processes",
        ..PLAIN
    },
    Setting {
        key: "database_connections",
        flag: Some("database-connections"),
        commands: SERVING,
        kind: Kind::Whole(3, 512),
        value_name: "N",
        default: Some("16"),
        help: "Most connections of this process to a PostgreSQL server",
        ..PLAIN
    },
    Setting {
        key: "public_url",
        flag: Some("public-url"),
        commands: SERVING,
        value_name: "URL",
        help: "Where voice providers reach this server; unset: the listening address, which only the sandbox can reach",
        ..PLAIN
    },
    Setting {
        key: "role",
        flag: Some("role"),
        commands: SERVING,
        kind: Kind::Choice(&["all", "api", "dialer"]),
        value_name: "ROLE",
        default: Some("all"),
        help: "What this process does: all, only the API, or only the dialing",
        ..PLAIN
    },
    Setting {
        key: "allow_private_networks",
        flag: Some("allow-private-networks"),
        commands: SERVING,
        kind: Kind::Switch,
        value_name: "BOOL",
        default: Some("false"),
        help: "Let providers and webhooks be on private addresses; for tests and sandboxes only",
        ..PLAIN
    },
    Setting {
        key: "sandbox_only",
        flag: Some("sandbox-only"),
        commands: SERVING,
        kind: Kind::Switch,
        value_name: "BOOL",
        default: Some("false"),
        help: "Talk to no voice provider but the sandbox of this process; for tests and copies of a real database",
        ..PLAIN
    },
    Setting {
        key: "secret_key_file",
        flag: Some("secret-key-file"),
        commands: WITH_KEY,
        value_name: "FILE",
        help: "Key that encrypts stored credentials, made on the first start; unset: beside the database, FILE.key, and campanile.key for PostgreSQL",
        ..PLAIN
    },
    Setting {
        key: "bootstrap_token",
        value_name: "TOKEN",
        secret: true,
        help: "Admin token of the tenant `default`, made when the database is empty; for unattended installations",
        ..PLAIN
    },
    Setting {
        key: "api_rate_limit",
        flag: Some("api-rate-limit"),
        commands: SERVING,
        kind: Kind::Whole(1, 1_000_000),
        value_name: "N",
        default: Some("100"),
        help: "API requests per second of one token",
        ..PLAIN
    },
    Setting {
        key: "api_rate_burst",
        flag: Some("api-rate-burst"),
        commands: SERVING,
        kind: Kind::Whole(1, 1_000_000),
        value_name: "N",
        default: Some("200"),
        help: "API requests that one token may make at once",
        ..PLAIN
    },
    Setting {
        key: "max_connections",
        flag: Some("max-connections"),
        commands: SERVING,
        kind: Kind::Whole(1, 1_000_000),
        value_name: "N",
        default: Some("1024"),
        help: "HTTP connections at the same time; further ones take the place of the quietest, or wait",
        ..PLAIN
    },
    Setting {
        key: "disk_reserve_mib",
        flag: Some("disk-reserve-mib"),
        commands: SERVING,
        kind: Kind::Whole(0, 1_048_576),
        value_name: "N",
        default: Some("32"),
        help: "MiB that stay free on the disk of a SQLite file: below, no call is placed and no bulk addition taken",
        ..PLAIN
    },
    Setting {
        key: "log_format",
        flag: Some("log-format"),
        commands: EVERY,
        kind: Kind::Choice(&["text", "json"]),
        value_name: "FORMAT",
        default: Some("text"),
        help: "Form of the log lines on stderr: text or json",
        ..PLAIN
    },
    Setting {
        key: "log_level",
        flag: Some("log-level"),
        commands: EVERY,
        value_name: "LEVEL",
        default: Some("info"),
        help: "error, warn, info, debug, trace, or one level for each part: info,dialer=debug",
        ..PLAIN
    },
    Setting {
        key: "json",
        flag: Some("json"),
        commands: PRINTING,
        kind: Kind::Switch,
        value_name: "BOOL",
        default: Some("false"),
        help: "Print data as JSON",
        ..PLAIN
    },
    Setting {
        key: "token.tenant",
        flag: Some("tenant"),
        commands: TOKENS,
        value_name: "NAME",
        default: Some("default"),
        help: "Tenant the token belongs to",
        ..PLAIN
    },
    Setting {
        key: "token.name",
        flag: Some("name"),
        commands: &[Command::TokenCreate],
        value_name: "NAME",
        default: Some("cli"),
        help: "Name of the token, to recognise it",
        ..PLAIN
    },
    Setting {
        key: "token.scopes",
        flag: Some("scopes"),
        commands: &[Command::TokenCreate],
        kind: Kind::Words,
        value_name: "SCOPES",
        default: Some("read,write,admin"),
        help: "What the token may do: read, write, admin",
        ..PLAIN
    },
    Setting {
        key: "sandbox.listen",
        flag: Some("listen"),
        commands: &[Command::Sandbox],
        value_name: "ADDRESS",
        default: Some("127.0.0.1:9100"),
        help: "Address and port of the simulated providers; port 0 takes a free one",
        ..PLAIN
    },
    Setting {
        key: "sandbox.seed",
        flag: Some("seed"),
        commands: &[Command::Sandbox, Command::Demo],
        kind: Kind::Whole(0, u64::MAX),
        value_name: "N",
        default: Some("1"),
        help: "What every phone does follows from this number",
        ..PLAIN
    },
    Setting {
        key: "sandbox.time_scale",
        flag: Some("time-scale"),
        commands: &[Command::Sandbox],
        kind: Kind::Number(1, 10_000),
        value_name: "X",
        default: Some("1"),
        help: "How many times faster than real calls the simulated ones pass",
        ..PLAIN
    },
    Setting {
        key: "sandbox.scenario",
        flag: Some("scenario"),
        commands: &[Command::Sandbox],
        value_name: "FILE",
        help: "JSON file in the form of PUT /control/scenario; unset: the default scenario",
        ..PLAIN
    },
    Setting {
        key: "demo.listen",
        flag: Some("listen"),
        commands: &[Command::Demo],
        value_name: "ADDRESS",
        default: Some("127.0.0.1:8080"),
        help: "Address and port of the demonstration; when the default port is taken, a free one is used",
        ..PLAIN
    },
    Setting {
        key: "demo.keep",
        flag: Some("keep"),
        commands: &[Command::Demo],
        value_name: "DIR",
        help: "Keep the database in this folder; unset: a temporary folder that is removed at the end",
        ..PLAIN
    },
    Setting {
        key: "demo.time_scale",
        flag: Some("time-scale"),
        commands: &[Command::Demo],
        kind: Kind::Number(1, 600),
        value_name: "X",
        default: Some("60"),
        help: "How many times faster than real time the demonstration passes",
        ..PLAIN
    },
    Setting {
        key: "demo.for_seconds",
        flag: Some("for-seconds"),
        commands: &[Command::Demo],
        kind: Kind::Whole(1, 86_400),
        value_name: "N",
        help: "End by itself after so many seconds; unset: go on until Ctrl-C",
        ..PLAIN
    },
    Setting {
        key: "demo.exit_when_done",
        flag: Some("exit-when-done"),
        commands: &[Command::Demo],
        kind: Kind::Switch,
        value_name: "BOOL",
        default: Some("false"),
        help: "End by itself when every lead is done",
        ..PLAIN
    },
    Setting {
        key: "migrate.from",
        flag: Some("from"),
        commands: &[Command::Migrate],
        value_name: "URL",
        help: "Move everything from this database: sqlite://FILE, whose server is stopped; unset: nothing is moved",
        ..PLAIN
    },
    Setting {
        key: "migrate.to",
        flag: Some("to"),
        commands: &[Command::Migrate],
        value_name: "URL",
        help: "Where to: postgres://USER@HOST/NAME, an empty database, or one that the same move has begun to fill",
        ..PLAIN
    },
    Setting {
        key: "simulate.seeds",
        flag: Some("seeds"),
        commands: &[Command::Simulate],
        value_name: "A..B",
        default: Some("1..100"),
        help: "Seeds to run, first and last; one number is one seed",
        ..PLAIN
    },
    Setting {
        key: "simulate.campaign_days",
        flag: Some("campaign-days"),
        commands: &[Command::Simulate],
        kind: Kind::Whole(2, 1_000),
        value_name: "N",
        default: Some("10"),
        help: "Length of a run: its campaigns times its days, at least two days and at most sixty",
        ..PLAIN
    },
    Setting {
        key: "simulate.faults",
        flag: Some("faults"),
        commands: &[Command::Simulate],
        value_name: "LIST",
        default: Some("all"),
        help: "Faults that may strike: all, none, or names joined by commas, as in crashes,lost-answers",
        ..PLAIN
    },
    Setting {
        key: "simulate.cut",
        flag: Some("cut"),
        commands: &[Command::Simulate],
        value_name: "CUTS",
        help: "Leave parts of a run away, as a replay command says: leads=3,actions=1+4,without=clock",
        ..PLAIN
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_and_variable_is_unique() {
        let variables: BTreeSet<String> = SETTINGS.iter().map(Setting::variable).collect();
        assert_eq!(variables.len(), SETTINGS.len());
        assert!(variables.contains("CAMPANILE_BOOTSTRAP_TOKEN"));
        assert!(variables.contains("CAMPANILE_SANDBOX_TIME_SCALE"));
    }

    #[test]
    fn the_documentation_lists_every_setting_with_its_default() {
        let page = include_str!("../../../../docs/configuration.md");
        for setting in SETTINGS {
            let row = page
                .lines()
                .find(|line| line.starts_with(&format!("| `{}` |", setting.key)));
            let row = row
                .unwrap_or_else(|| panic!("docs/configuration.md has no row for {}", setting.key));
            assert!(row.contains(&setting.variable()), "{row}");
            let default = setting
                .default
                .map_or("unset".to_owned(), |default| format!("`{default}`"));
            assert!(row.contains(&default), "{row} lacks {default}");
            if let Some(flag) = setting.flag {
                assert!(row.contains(&format!("`--{flag}`")), "{row}");
            }
        }
    }
}
