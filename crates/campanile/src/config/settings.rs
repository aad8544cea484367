//! From texts to values that can be used.

use std::path::PathBuf;

use store::Scopes;
use store_postgres::Address;
use url::Url;

use super::catalogue::{Kind, Setting};
use super::sources::{Origin, Resolved};
use crate::failure::{Failure, Outcome};

/// What a serving process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// API and dialer.
    All,
    /// The API alone.
    Api,
    /// The dialer alone.
    Dialer,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Which voice providers outside of this process may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outside {
    /// None at all: the installation is a test, or holds a copy of another one's database, and must
    /// ring nobody's phone whatever its users and its stored lines say.
    Nothing,
    /// Those on public addresses.
    Public,
    /// Those on any address.
    Anything,
}

/// Where everything is kept.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    /// A SQLite file.
    File(PathBuf),
    /// A PostgreSQL server.
    Server(Box<Address>),
}

impl Default for Database {
    fn default() -> Self {
        Self::File(PathBuf::new())
    }
}

impl std::fmt::Display for Database {
    /// For people: without user and password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Server(address) => f.write_str(&address.shown()),
        }
    }
}

/// All settings, parsed.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) listen: String,
    pub(crate) database: Database,
    /// Connections to a server of databases.
    pub(crate) database_connections: u32,
    pub(crate) public_url: Option<Url>,
    pub(crate) role: Role,
    pub(crate) outside: Outside,
    pub(crate) secret_key_file: PathBuf,
    pub(crate) bootstrap_token: Option<String>,
    pub(crate) api_rate_limit: u32,
    pub(crate) api_rate_burst: u32,
    pub(crate) max_connections: usize,
    /// What shall stay free on the disk of the database.
    pub(crate) disk_reserve_mib: u64,
    pub(crate) log_format: LogFormat,
    pub(crate) log_level: String,
    /// Whether somebody chose the level.
    pub(crate) log_level_is_chosen: bool,
    pub(crate) json: bool,
    pub(crate) token: TokenSettings,
    pub(crate) sandbox: SandboxSettings,
    pub(crate) demo: DemoSettings,
    pub(crate) simulate: SimulateSettings,
    pub(crate) migrate: MigrateSettings,
}

/// Settings of `migrate`.
#[derive(Debug, Clone, Default)]
pub(crate) struct MigrateSettings {
    /// The file that is left.
    pub(crate) from: Option<PathBuf>,
    /// The server that is moved to.
    pub(crate) to: Option<Box<Address>>,
}

/// Settings of the token commands.
#[derive(Debug, Clone)]
pub(crate) struct TokenSettings {
    pub(crate) tenant: String,
    pub(crate) name: String,
    pub(crate) scopes: Scopes,
}

/// Settings of `sandbox`.
#[derive(Debug, Clone)]
pub(crate) struct SandboxSettings {
    pub(crate) listen: String,
    pub(crate) seed: u64,
    pub(crate) time_scale: f64,
    pub(crate) scenario: Option<PathBuf>,
}

/// Settings of `simulate`.
#[derive(Debug, Clone, Default)]
pub(crate) struct SimulateSettings {
    /// First and last seed.
    pub(crate) seeds: (u64, u64),
    pub(crate) options: simulation::Options,
}

/// Settings of `demo`.
#[derive(Debug, Clone)]
pub(crate) struct DemoSettings {
    pub(crate) listen: String,
    /// Whether somebody chose the address.
    pub(crate) listen_is_chosen: bool,
    pub(crate) keep: Option<PathBuf>,
    pub(crate) time_scale: f64,
    pub(crate) for_seconds: Option<u64>,
    pub(crate) exit_when_done: bool,
}

impl Settings {
    /// Parses everything; lists every fault.
    pub(crate) fn parse(resolved: &Resolved) -> Outcome<Self> {
        let mut reader = Reader {
            resolved,
            faults: Vec::new(),
        };
        let settings = Self::read(&mut reader);
        if reader.faults.is_empty() {
            Ok(settings)
        } else {
            Err(Failure::usage(reader.faults.join("\n")))
        }
    }

    fn read(reader: &mut Reader<'_>) -> Self {
        let database = reader.parsed("database_url", database).unwrap_or_default();
        let key_file = reader.optional("secret_key_file").map(PathBuf::from);
        let migrate = MigrateSettings {
            from: reader.parsed("migrate.from", file),
            to: reader.parsed("migrate.to", server).map(Box::new),
        };
        Self {
            listen: reader.parsed("listen", address).unwrap_or_default(),
            public_url: reader.parsed("public_url", public_url),
            role: reader.parsed("role", role).unwrap_or(Role::All),
            outside: match (
                reader.switch("sandbox_only"),
                reader.switch("allow_private_networks"),
            ) {
                (true, _) => Outside::Nothing,
                (false, false) => Outside::Public,
                (false, true) => Outside::Anything,
            },
            secret_key_file: key_file.unwrap_or_else(|| match &migrate.from {
                // The key of what is moved.
                Some(path) => beside(&Database::File(path.clone())),
                None => beside(&database),
            }),
            migrate,
            database,
            database_connections: reader.whole("database_connections").unwrap_or(3),
            bootstrap_token: reader.optional("bootstrap_token"),
            api_rate_limit: reader.whole("api_rate_limit").unwrap_or(1),
            api_rate_burst: reader.whole("api_rate_burst").unwrap_or(1),
            max_connections: reader.whole("max_connections").unwrap_or(1),
            disk_reserve_mib: reader.whole("disk_reserve_mib").unwrap_or_default(),
            log_format: reader
                .parsed("log_format", log_format)
                .unwrap_or(LogFormat::Text),
            log_level: reader
                .parsed("log_level", crate::logging::checked_level)
                .unwrap_or_default(),
            log_level_is_chosen: reader.is_chosen("log_level"),
            json: reader.switch("json"),
            token: TokenSettings {
                tenant: reader.parsed("token.tenant", name).unwrap_or_default(),
                name: reader.parsed("token.name", name).unwrap_or_default(),
                scopes: reader.parsed("token.scopes", scopes).unwrap_or_default(),
            },
            sandbox: SandboxSettings {
                listen: reader.parsed("sandbox.listen", address).unwrap_or_default(),
                seed: reader.whole("sandbox.seed").unwrap_or(1),
                time_scale: reader.number("sandbox.time_scale"),
                scenario: reader.optional("sandbox.scenario").map(PathBuf::from),
            },
            demo: DemoSettings {
                listen: reader.parsed("demo.listen", address).unwrap_or_default(),
                listen_is_chosen: reader.is_chosen("demo.listen"),
                keep: reader.optional("demo.keep").map(PathBuf::from),
                time_scale: reader.number("demo.time_scale"),
                for_seconds: reader.whole("demo.for_seconds"),
                exit_when_done: reader.switch("demo.exit_when_done"),
            },
            simulate: SimulateSettings {
                seeds: reader.parsed("simulate.seeds", seeds).unwrap_or_default(),
                options: simulation::Options {
                    campaign_days: reader.whole("simulate.campaign_days").unwrap_or(10),
                    faults: reader
                        .parsed("simulate.faults", faults)
                        .unwrap_or(simulation::FaultSet::all()),
                    cuts: reader
                        .parsed("simulate.cut", simulation::Cuts::parse)
                        .unwrap_or_default(),
                },
            },
        }
    }
}

/// Reads values and collects faults.
struct Reader<'a> {
    resolved: &'a Resolved,
    faults: Vec<String>,
}

impl Reader<'_> {
    fn optional(&self, key: &str) -> Option<String> {
        self.resolved.get(key).map(|(value, _)| value.to_owned())
    }

    fn is_chosen(&self, key: &str) -> bool {
        self.resolved
            .get(key)
            .is_some_and(|(_, origin)| *origin != Origin::Default)
    }

    fn parsed<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let (value, origin) = self.resolved.get(key)?;
        match parse(value) {
            Ok(parsed) => Some(parsed),
            Err(fault) => {
                // A file has many keys, a flag or variable names its own.
                let place = if matches!(origin, Origin::File(_)) {
                    format!("{origin}: {key}")
                } else {
                    origin.to_string()
                };
                self.faults.push(format!("{place}: {fault}"));
                None
            }
        }
    }

    fn switch(&mut self, key: &str) -> bool {
        let read = |text: &str| match text {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            other => Err(format!("\"{other}\" is neither true nor false")),
        };
        self.parsed(key, read).unwrap_or(false)
    }

    fn whole<T: TryFrom<u64>>(&mut self, key: &str) -> Option<T> {
        let (low, high) = match Setting::find(key).map(|setting| setting.kind) {
            Some(Kind::Whole(low, high)) => (low, high),
            _ => (0, u64::MAX),
        };
        self.parsed(key, |text| {
            let number = text
                .parse::<u64>()
                .ok()
                .filter(|number| (low..=high).contains(number));
            let number = number.and_then(|number| T::try_from(number).ok());
            number.ok_or_else(|| format!("\"{text}\" is not a whole number from {low} to {high}"))
        })
    }

    fn number(&mut self, key: &str) -> f64 {
        let (low, high) = match Setting::find(key).map(|setting| setting.kind) {
            Some(Kind::Number(low, high)) => (low, high),
            _ => (0, u32::MAX),
        };
        let read = |text: &str| {
            let number = text.parse::<f64>().ok();
            let number =
                number.filter(|number| (f64::from(low)..=f64::from(high)).contains(number));
            number.ok_or_else(|| format!("\"{text}\" is not a number from {low} to {high}"))
        };
        self.parsed(key, read).unwrap_or(1.0)
    }
}

/// Most seeds of one run.
const MOST_SEEDS: u64 = 1_000_000;

fn seeds(text: &str) -> Result<(u64, u64), String> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    match (from.trim().parse::<u64>(), to.trim().parse::<u64>()) {
        (Ok(from), Ok(to)) if from <= to && to - from < MOST_SEEDS => Ok((from, to)),
        _ => Err(format!(
            "\"{text}\" is not a range of seeds, as in 1..100, first and last, at most {MOST_SEEDS} of them"
        )),
    }
}

fn faults(text: &str) -> Result<simulation::FaultSet, String> {
    simulation::FaultSet::parse(text).map_err(|name| {
        let known = simulation::FaultKind::ALL.iter().map(|kind| kind.as_str());
        let known: Vec<_> = known.collect();
        format!(
            "\"{name}\" is no kind of fault; known are all, none, {}",
            known.join(", ")
        )
    })
}

fn address(text: &str) -> Result<String, String> {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    match port.map(|(_, port)| port.parse::<u16>()) {
        Some(Ok(_)) => Ok(text.to_owned()),
        _ => Err(format!(
            "\"{text}\" is not an address with a port, as in 127.0.0.1:8080"
        )),
    }
}

fn database(text: &str) -> Result<Database, String> {
    if Address::is_meant(text) {
        let address = text.parse::<Address>().map_err(|error| error.to_string())?;
        return Ok(Database::Server(Box::new(address)));
    }
    database_path(text).map(Database::File)
}

/// The file that something is moved from.
fn file(text: &str) -> Result<PathBuf, String> {
    if Address::is_meant(text) {
        return Err(format!(
            "\"{}\" is no database file, and only files are moved from; use sqlite://FILE, as in sqlite://campanile.db",
            without_password(text)
        ));
    }
    database_path(text)
}

fn server(text: &str) -> Result<Address, String> {
    if !Address::is_meant(text) {
        return Err(format!(
            "\"{}\" is no PostgreSQL database; use postgres://USER@HOST/NAME",
            without_password(text)
        ));
    }
    text.parse()
        .map_err(|error: store_postgres::AddressError| error.to_string())
}

fn database_path(text: &str) -> Result<PathBuf, String> {
    let Some(path) = text.strip_prefix("sqlite://") else {
        return Err(format!(
            "\"{}\" is not a database URL; use sqlite://FILE, as in sqlite://campanile.db, or postgres://USER@HOST/NAME",
            without_password(text)
        ));
    };
    if path.is_empty() || path.ends_with('/') || path.starts_with(':') || path.contains('?') {
        return Err(format!(
            "\"{text}\" does not name a database file; use sqlite://FILE, as in sqlite:///var/lib/campanile/campanile.db"
        ));
    }
    Ok(PathBuf::from(path))
}

/// `text` with the password of a URL hidden, wherever it stands.
pub(crate) fn without_password(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else {
        return text.to_owned();
    };
    let is_secret = |key: &str| key == "password" || key == "sslpassword";
    if url.query_pairs().any(|(key, _)| is_secret(&key)) {
        let hidden = |(key, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
            let value = if is_secret(&key) {
                "****".into()
            } else {
                value.into_owned()
            };
            (key.into_owned(), value)
        };
        let pairs: Vec<(String, String)> = url.query_pairs().map(hidden).collect();
        url.query_pairs_mut().clear().extend_pairs(pairs);
    } else if url.password().is_none() {
        return text.to_owned();
    }
    if url.password().is_some() {
        // Fails only for URLs that cannot have a password.
        let _ = url.set_password(Some("****"));
    }
    url.to_string()
}

fn beside(database: &Database) -> PathBuf {
    match database {
        Database::File(path) => {
            let mut name = path.as_os_str().to_owned();
            name.push(".key");
            PathBuf::from(name)
        }
        Database::Server(_) => PathBuf::from("campanile.key"),
    }
}

fn public_url(text: &str) -> Result<Url, String> {
    let wrong = || {
        format!("\"{text}\" is not a web address of this server, as in https://calls.example.com")
    };
    let url = Url::parse(text).map_err(|_| wrong())?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    let is_plain = url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if is_web && is_plain {
        Ok(url)
    } else {
        Err(wrong())
    }
}

fn role(text: &str) -> Result<Role, String> {
    match text {
        "all" => Ok(Role::All),
        "api" => Ok(Role::Api),
        "dialer" => Ok(Role::Dialer),
        other => Err(format!("\"{other}\" is not a role; use all, api or dialer")),
    }
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        other => Err(format!("\"{other}\" is not a log format; use text or json")),
    }
}

fn name(text: &str) -> Result<String, String> {
    let is_sane = !text.trim().is_empty()
        && text.chars().count() <= 100
        && !text.chars().any(char::is_control);
    if is_sane {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{text:?} is not a name: use 1 to 100 printable characters"
        ))
    }
}

fn scopes(text: &str) -> Result<Scopes, String> {
    let names = || {
        text.split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
    };
    let scopes = Scopes::from_names(names()).filter(|_| names().next().is_some());
    scopes.ok_or_else(|| {
        format!(
            "\"{text}\" is not a list of scopes; use read, write and admin, separated by commas"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::config::sources::Environment;

    fn with(flags: &[(&'static str, &str)]) -> Outcome<Settings> {
        let flags: HashMap<_, _> = flags
            .iter()
            .map(|(key, value)| (*key, (*value).to_owned()))
            .collect();
        Settings::parse(&Resolved::find(&flags, &Environment::default(), None).unwrap())
    }

    #[test]
    fn the_defaults_are_sound() {
        let settings = with(&[]).unwrap();
        assert_eq!(settings.database.to_string(), "campanile.db");
        assert_eq!(settings.secret_key_file, PathBuf::from("campanile.db.key"));
        assert_eq!(settings.token.scopes.names(), ["read", "write", "admin"]);
        assert_eq!(settings.role, Role::All);
        assert!(!settings.log_level_is_chosen);
    }

    #[test]
    fn every_fault_is_listed_with_its_origin() {
        let fault = with(&[
            ("listen", "8080"),
            ("api_rate_limit", "many"),
            ("public_url", "calls.example.com"),
        ]);
        let Err(Failure::Usage(text)) = fault else {
            panic!("{fault:?}")
        };
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().any(|line| {
            line.starts_with("flag --api-rate-limit: \"many\" is not a whole number from 1")
        }));
    }

    #[test]
    fn a_database_that_cannot_be_used_is_refused_with_the_remedy() {
        for (url, remedy) in [
            ("postgres://u:secret@h", "names no database"),
            (
                "postgres://u:secret@h/db?sslmode=maybe",
                "sslmode is one of",
            ),
            ("mysql://u:secret@h/db", "sqlite://FILE"),
            ("sqlite://", "does not name"),
            ("sqlite://:memory:", "does not name"),
            ("sqlite://a.db?mode=ro", "does not name"),
        ] {
            let Err(Failure::Usage(text)) = with(&[("database_url", url)]) else {
                panic!("{url}")
            };
            assert!(text.contains(remedy), "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn a_password_is_hidden_wherever_it_stands() {
        for text in [
            "postgres://u:secret@h/db",
            "postgres:///db?host=/run&password=secret&user=u",
        ] {
            let shown = without_password(text);
            assert!(
                !shown.contains("secret") && shown.contains("****"),
                "{shown}"
            );
            assert!(shown.contains("db"), "{shown}");
        }
        let plain = "postgres:///db?host=/run&user=u";
        assert_eq!(without_password(plain), plain);
    }

    #[test]
    fn scopes_are_words_of_the_contract() {
        assert_eq!(scopes("read, write").unwrap().names(), ["read", "write"]);
        assert!(scopes("").is_err());
        assert!(scopes("root").is_err());
    }
}
