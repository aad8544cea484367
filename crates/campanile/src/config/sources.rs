//! Which value counts, and where it came from.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::catalogue::{Kind, SETTINGS, Setting};
use super::nearest::nearest;
use crate::failure::{Failure, Outcome};

/// The file that is read when nobody names one.
const DEFAULT_FILE: &str = "campanile.toml";
/// Names the file.
const FILE_VARIABLE: &str = "CAMPANILE_CONFIG";
/// Arms a failpoint, in builds that have them.
const FAILPOINT_VARIABLE: &str = "CAMPANILE_FAILPOINT";
/// Variables of the project that are no settings.
const OTHER_VARIABLES: &[&str] = &[FILE_VARIABLE, "CAMPANILE_TEST_PYTHON"];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody said anything.
    Default,
    /// The file.
    File(PathBuf),
    /// This environment variable.
    Environment(String),
    /// This flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::Flag(flag) => write!(f, "flag --{flag}"),
        }
    }
}

/// The project's environment variables, read once.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    variables: BTreeMap<String, OsString>,
}

impl Environment {
    /// Reads the process's variables.
    pub(crate) fn read() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one reader of the environment"
        )]
        let all = std::env::vars_os();
        let ours = all.filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            // An empty variable is how compose files and shells say "unset".
            (name.starts_with("CAMPANILE_") && !value.is_empty()).then_some((name, value))
        });
        Self {
            variables: ours.collect(),
        }
    }

    /// Variables that look like settings and are none, with the one that may be meant. Only a
    /// warning: container platforms set variables like `CAMPANILE_PORT` by themselves.
    pub(crate) fn unknown(&self) -> Vec<(String, Option<String>)> {
        let known: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
        let is_unknown =
            |name: &&String| !known.contains(name) && !OTHER_VARIABLES.contains(&name.as_str());
        let unknown = self.variables.keys().filter(is_unknown);
        unknown
            .map(|name| {
                let near = nearest(name, known.iter().map(String::as_str));
                (name.clone(), near.map(str::to_owned))
            })
            .collect()
    }

    /// The failpoint to arm. No setting: it is not in the file, the flags or the documentation of a
    /// product that does not have it.
    pub(crate) fn failpoint(&self) -> Result<Option<String>, String> {
        self.text(FAILPOINT_VARIABLE)
    }

    fn text(&self, name: &str) -> Result<Option<String>, String> {
        let Some(value) = self.variables.get(name) else {
            return Ok(None);
        };
        let text = value.clone().into_string();
        text.map(Some)
            .map_err(|_| format!("environment {name}: the value is not UTF-8"))
    }
}

/// The value of every setting that has one, with its origin.
#[derive(Debug)]
pub(crate) struct Resolved {
    values: HashMap<&'static str, (String, Origin)>,
    /// The file that was read, if any.
    pub(crate) file: Option<PathBuf>,
}

impl Resolved {
    /// Finds the value that counts for every setting. `flags` are by key; `file` is what
    /// `--config` says.
    pub(crate) fn find(
        flags: &HashMap<&'static str, String>,
        environment: &Environment,
        file: Option<&Path>,
    ) -> Outcome<Self> {
        let (file, mut from_file) = read_file(file, environment)?;
        let mut faults = Vec::new();
        let mut values = HashMap::new();
        for setting in SETTINGS {
            let from_environment = environment
                .text(&setting.variable())
                .unwrap_or_else(|fault| {
                    faults.push(fault);
                    None
                });
            let found = if let Some(value) = flags.get(setting.key) {
                let flag = setting.flag.unwrap_or(setting.key);
                Some((value.clone(), Origin::Flag(flag.to_owned())))
            } else if let Some(value) = from_environment {
                Some((value, Origin::Environment(setting.variable())))
            } else if let (Some(value), Some(file)) = (from_file.remove(setting.key), &file) {
                Some((value, Origin::File(file.clone())))
            } else {
                setting
                    .default
                    .map(|value| (value.to_owned(), Origin::Default))
            };
            if let Some(found) = found {
                values.insert(setting.key, found);
            }
        }
        if faults.is_empty() {
            Ok(Self { values, file })
        } else {
            Err(Failure::usage(faults.join("\n")))
        }
    }

    /// The value of this key and where it came from.
    pub(crate) fn get(&self, key: &str) -> Option<(&str, &Origin)> {
        self.values
            .get(key)
            .map(|(value, origin)| (value.as_str(), origin))
    }
}

/// The file's path, if there is one, and its values by key.
fn read_file(
    named: Option<&Path>,
    environment: &Environment,
) -> Outcome<(Option<PathBuf>, HashMap<&'static str, String>)> {
    let from_environment = environment.text(FILE_VARIABLE).map_err(Failure::Usage)?;
    let named = named
        .map(Path::to_owned)
        .or(from_environment.map(PathBuf::from));
    let path = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => {
            return Ok((None, HashMap::new()));
        }
        Err(error) => {
            let shown = path.display();
            return Err(Failure::usage(format!(
                "cannot read the configuration file {shown}: {error}; check the path and its permissions"
            )));
        }
    };
    let values = parse_file(&text, &path.display().to_string())
        .map_err(|faults| Failure::usage(faults.join("\n")))?;
    Ok((Some(path), values))
}

/// Values by key; every fault with its line.
fn parse_file(text: &str, shown: &str) -> Result<HashMap<&'static str, String>, Vec<String>> {
    let line_of = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(span.start));
        vec![format!("{shown}:{line}: not TOML: {}", error.message())]
    })?;
    let mut entries = Vec::new();
    flatten(table.get_ref(), "", &mut entries);
    entries.sort_by_key(|(_, offset, _)| *offset);
    let (mut values, mut faults) = (HashMap::new(), Vec::new());
    for (key, offset, value) in entries {
        let line = line_of(offset);
        let Some(setting) = Setting::find(&key) else {
            let near = nearest(&key, SETTINGS.iter().map(|setting| setting.key));
            let hint = near.map_or("see `campanile config` for all keys".to_owned(), |near| {
                format!("did you mean \"{near}\"?")
            });
            faults.push(format!("{shown}:{line}: unknown key \"{key}\"; {hint}"));
            continue;
        };
        match to_text(value, setting.kind) {
            Ok(text) => {
                values.insert(setting.key, text);
            }
            Err(expected) => faults.push(format!("{shown}:{line}: {key} must be {expected}")),
        }
    }
    if faults.is_empty() {
        Ok(values)
    } else {
        Err(faults)
    }
}

/// Tables become dotted keys; each with the offset of its name.
fn flatten<'a>(
    table: &'a DeTable<'a>,
    prefix: &str,
    entries: &mut Vec<(String, usize, &'a DeValue<'a>)>,
) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name.get_ref().to_string()
        } else {
            format!("{prefix}.{}", name.get_ref())
        };
        let is_section = SETTINGS
            .iter()
            .any(|setting| setting.key.starts_with(&format!("{key}.")));
        match value.get_ref() {
            DeValue::Table(inner) if is_section => flatten(inner, &key, entries),
            other => entries.push((key, name.span().start, other)),
        }
    }
}

/// The value as a flag would give it, or what it must be.
fn to_text(value: &DeValue<'_>, kind: Kind) -> Result<String, &'static str> {
    match (kind, value) {
        (Kind::Switch, DeValue::Boolean(switch)) => Ok(switch.to_string()),
        (Kind::Whole(..) | Kind::Number(..), DeValue::Integer(number)) if number.radix() == 10 => {
            Ok(number.to_string())
        }
        (Kind::Number(..), DeValue::Float(number)) => Ok(number.to_string()),
        (Kind::Text | Kind::Choice(_) | Kind::Words, DeValue::String(text)) => Ok(text.to_string()),
        (Kind::Words, DeValue::Array(words)) => {
            let words: Option<Vec<&str>> = words
                .iter()
                .map(|word: &Spanned<DeValue<'_>>| word.get_ref().as_str())
                .collect();
            words
                .map(|words| words.join(","))
                .ok_or("a list of texts in quotes")
        }
        (Kind::Switch, _) => Err("true or false"),
        (Kind::Whole(..), _) => Err("a whole number"),
        (Kind::Number(..), _) => Err("a number"),
        (Kind::Text | Kind::Choice(_), _) => Err("a text in quotes"),
        (Kind::Words, _) => Err("a list of texts in quotes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_the_file_is_told_with_its_line_and_the_nearest_key() {
        let text = "lisen = \"127.0.0.1:1\"\nrole = 3\n\n[sandbox]\nsead = 1\n[nonsense]\nx = 1\n";
        let faults = parse_file(text, "campanile.toml").unwrap_err();
        assert_eq!(
            faults,
            [
                "campanile.toml:1: unknown key \"lisen\"; did you mean \"listen\"?",
                "campanile.toml:2: role must be a text in quotes",
                "campanile.toml:5: unknown key \"sandbox.sead\"; did you mean \"sandbox.seed\"?",
                "campanile.toml:6: unknown key \"nonsense\"; see `campanile config` for all keys",
            ]
        );
        let faults = parse_file("listen = \n", "c.toml").unwrap_err();
        assert!(faults[0].starts_with("c.toml:1: not TOML"), "{faults:?}");
    }

    #[test]
    fn values_of_each_kind_are_read() {
        let text = "listen = \"[::1]:80\"\nallow_private_networks = true\napi_rate_limit = 5\n[token]\nscopes = [\"read\", \"write\"]\n[demo]\ntime_scale = 2.5\n";
        let values = parse_file(text, "c.toml").unwrap();
        assert_eq!(values["listen"], "[::1]:80");
        assert_eq!(values["allow_private_networks"], "true");
        assert_eq!(values["api_rate_limit"], "5");
        assert_eq!(values["token.scopes"], "read,write");
        assert_eq!(values["demo.time_scale"], "2.5");
    }

    #[test]
    fn a_flag_wins_over_a_variable_and_that_over_the_default() {
        let variables = [
            ("CAMPANILE_ROLE", "api"),
            ("CAMPANILE_LISTEN", "h:1"),
            ("CAMPANILE_DATABSE_URL", "x"),
        ];
        let environment = Environment {
            variables: variables
                .map(|(name, value)| (name.to_owned(), value.into()))
                .into(),
        };
        let flags = HashMap::from([("listen", "h:2".to_owned())]);
        let resolved = Resolved::find(&flags, &environment, None).unwrap();
        assert_eq!(
            resolved.get("listen"),
            Some(("h:2", &Origin::Flag("listen".to_owned())))
        );
        assert_eq!(
            resolved.get("role"),
            Some(("api", &Origin::Environment("CAMPANILE_ROLE".to_owned())))
        );
        assert_eq!(resolved.get("log_format"), Some(("text", &Origin::Default)));
        assert_eq!(resolved.get("public_url"), None);
        let unknown = vec![(
            "CAMPANILE_DATABSE_URL".to_owned(),
            Some("CAMPANILE_DATABASE_URL".to_owned()),
        )];
        assert_eq!(environment.unknown(), unknown);
    }
}
