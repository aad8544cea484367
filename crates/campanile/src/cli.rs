//! The command line. Options come from the catalogue of settings, so that no flag can lack its
//! environment variable or its key in the file.

use std::collections::HashMap;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command as Clap, value_parser};
use clap_complete::Shell;

use crate::config::{Command, Kind, SETTINGS, Setting};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Serve,
    Demo,
    Sandbox,
    TokenCreate,
    TokenList,
    /// The token's id or name.
    TokenDisable(String),
    HoldStatus,
    HoldRelease {
        /// Also while lines have not been asked.
        force: bool,
    },
    Doctor,
    Migrate {
        /// Lets a file be served again that was moved.
        undo: bool,
    },
    Simulate,
    OpenApi,
    Config,
    Completions(Shell),
}

/// A parsed command line.
#[derive(Debug)]
pub(crate) struct Invocation {
    /// What is to be done.
    pub(crate) action: Action,
    /// What `--config` says.
    pub(crate) config_file: Option<PathBuf>,
    /// Flags that were given, by the key of their setting.
    pub(crate) flags: HashMap<&'static str, String>,
}

/// One leaf of the tree of commands.
struct Leaf {
    name: &'static str,
    takes: Option<Command>,
    about: &'static str,
    example: &'static str,
}

const LEAVES: &[Leaf] = &[
    Leaf {
        name: "serve",
        takes: Some(Command::Serve),
        about: "Run the API, the dashboard and the dialer",
        example: "campanile serve --database-url sqlite:///var/lib/campanile/campanile.db --public-url https://calls.example.com",
    },
    Leaf {
        name: "demo",
        takes: Some(Command::Demo),
        about: "Show a sample campaign of 200 leads ringing simulated phones in accelerated time",
        example: "campanile demo --for-seconds 60",
    },
    Leaf {
        name: "sandbox",
        takes: Some(Command::Sandbox),
        about: "Run the simulated voice providers alone",
        example: "campanile sandbox --seed 7 --time-scale 20",
    },
    Leaf {
        name: "doctor",
        takes: Some(Command::Doctor),
        about: "Check configuration, database, clock, time-zone data, providers and public URL, and say how to mend each fault",
        example: "campanile doctor --database-url sqlite://campanile.db",
    },
    Leaf {
        name: "migrate",
        takes: Some(Command::Migrate),
        about: "Bring the database to this program's version (serve does it as well), or move an installation to PostgreSQL",
        example: "campanile migrate --database-url sqlite://campanile.db\n  CAMPANILE_MIGRATE_TO=postgres://USER:PASSWORD@HOST/NAME campanile migrate --from sqlite://campanile.db",
    },
    Leaf {
        name: "simulate",
        takes: Some(Command::Simulate),
        about: "Run the deterministic simulation: days of campaigns in seconds, with faults, judged from outside",
        example: "campanile simulate --seeds 1..200",
    },
    Leaf {
        name: "openapi",
        takes: None,
        about: "Print the OpenAPI 3.1 document of the HTTP API",
        example: "campanile openapi > openapi.json",
    },
    Leaf {
        name: "config",
        takes: Some(Command::Config),
        about: "Print the effective settings with their origin, secrets masked",
        example: "CAMPANILE_LISTEN=0.0.0.0:80 campanile config",
    },
];

const TOKEN_LEAVES: &[Leaf] = &[
    Leaf {
        name: "create",
        takes: Some(Command::TokenCreate),
        about: "Make a token and print its secret, alone, on stdout; makes database and tenant when they are missing",
        example: "TOKEN=$(campanile token create --name ci --scopes read,write)",
    },
    Leaf {
        name: "list",
        takes: Some(Command::TokenList),
        about: "List the tokens of a tenant, masked",
        example: "campanile token list --tenant default --json",
    },
    Leaf {
        name: "disable",
        takes: Some(Command::TokenDisable),
        about: "Disable a token by its id or its name",
        example: "campanile token disable ci",
    },
];

const HOLD_LEAVES: &[Leaf] = &[
    Leaf {
        name: "status",
        takes: Some(Command::HoldStatus),
        about: "Say whether the installation is on hold, why, and what its voice providers were asked",
        example: "campanile hold status --database-url sqlite:///var/lib/campanile/campanile.db",
    },
    Leaf {
        name: "release",
        takes: Some(Command::HoldRelease),
        about: "End the hold once every voice provider has been asked; a running server dials again within seconds",
        example: "campanile hold release --database-url sqlite:///var/lib/campanile/campanile.db",
    },
];

/// The whole command line.
pub(crate) fn command() -> Clap {
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .global(true)
        .value_parser(value_parser!(PathBuf))
        .help("Configuration file [env: CAMPANILE_CONFIG] [default: ./campanile.toml, if it is there]");
    let token = Clap::new("token")
        .about("Make, list and disable API tokens, directly on the database")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .after_help("Example:\n  campanile token create --name ci")
        .subcommands(TOKEN_LEAVES.iter().map(leaf));
    let hold = Clap::new("hold")
        .about("Look at and end what keeps the installation from dialing, directly on the database")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .after_help("Example:\n  campanile hold status")
        .subcommands(HOLD_LEAVES.iter().map(leaf));
    let shell = Arg::new("shell")
        .required(true)
        .value_parser(value_parser!(Shell))
        .help("The shell");
    let completions = Clap::new("completions")
        .about("Print completions for a shell")
        .after_help("Example:\n  campanile completions bash > ~/.local/share/bash-completion/completions/campanile")
        .arg(shell);
    Clap::new("campanile")
        .about("A server that runs voice campaigns spoken by AI agents")
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(
            "Every option is also an environment variable and a key of campanile.toml; `campanile config` shows what counts.\n\
             Exit codes: 0 done, 1 failed, 2 wrong usage.\n\n\
             Example:\n  campanile demo",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(config)
        .subcommands(LEAVES.iter().map(leaf))
        .subcommand(token)
        .subcommand(hold)
        .subcommand(completions)
}

fn leaf(leaf: &Leaf) -> Clap {
    let mut command = Clap::new(leaf.name)
        .about(leaf.about)
        .after_help(format!("Example:\n  {}", leaf.example));
    if leaf.name == "disable" {
        command = command.arg(
            Arg::new("token")
                .value_name("TOKEN")
                .required(true)
                .help("Id or name of the token"),
        );
    }
    if leaf.name == "release" {
        command = command.arg(
            Arg::new("force")
                .long("force")
                .action(ArgAction::SetTrue)
                .help("Release although voice providers have not all been asked: people can be called again"),
        );
    }
    if leaf.name == "migrate" {
        command = command.arg(
            Arg::new("undo")
                .long("undo")
                .action(ArgAction::SetTrue)
                .help("Let the file of --from be served again although it was moved; it starts on hold"),
        );
    }
    if leaf.name == "openapi" {
        // The document is JSON as it is; the flag is taken so that scripts need no exception.
        command = command.arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("Print data as JSON (always so)"),
        );
    }
    let Some(takes) = leaf.takes else {
        return command;
    };
    command.args(
        SETTINGS
            .iter()
            .filter(|setting| setting.commands.contains(&takes))
            .filter_map(flag),
    )
}

fn flag(setting: &'static Setting) -> Option<Arg> {
    let name = setting.flag?;
    let default = setting
        .default
        .map_or(String::new(), |default| format!(" [default: {default}]"));
    let arg = Arg::new(setting.key)
        .long(name)
        .value_name(setting.value_name)
        .help(format!(
            "{} [env: {}]{default}",
            setting.help,
            setting.variable()
        ));
    Some(match setting.kind {
        Kind::Switch => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_parser(PossibleValuesParser::new(["true", "false"]))
            .hide_possible_values(true),
        Kind::Text | Kind::Whole(..) | Kind::Number(..) | Kind::Choice(_) | Kind::Words => arg,
    })
}

/// What a successfully parsed command line asks for.
pub(crate) fn read(matches: &ArgMatches) -> Option<Invocation> {
    let (name, mut inner) = matches.subcommand()?;
    let action = match name {
        "serve" => Action::Serve,
        "demo" => Action::Demo,
        "sandbox" => Action::Sandbox,
        "doctor" => Action::Doctor,
        "migrate" => Action::Migrate {
            undo: inner.get_flag("undo"),
        },
        "simulate" => Action::Simulate,
        "openapi" => Action::OpenApi,
        "config" => Action::Config,
        "completions" => Action::Completions(*inner.get_one("shell")?),
        "token" => {
            let (name, leaf) = inner.subcommand()?;
            inner = leaf;
            match name {
                "create" => Action::TokenCreate,
                "list" => Action::TokenList,
                "disable" => Action::TokenDisable(leaf.get_one::<String>("token")?.clone()),
                _ => return None,
            }
        }
        "hold" => {
            let (name, leaf) = inner.subcommand()?;
            inner = leaf;
            match name {
                "status" => Action::HoldStatus,
                "release" => Action::HoldRelease {
                    force: leaf.get_flag("force"),
                },
                _ => return None,
            }
        }
        _ => return None,
    };
    let flags = SETTINGS
        .iter()
        .filter_map(|setting| Some((setting.key, given(inner, setting)?)));
    let config_file = inner
        .try_get_one::<PathBuf>("config")
        .ok()
        .flatten()
        .cloned();
    Some(Invocation {
        action,
        config_file,
        flags: flags.collect(),
    })
}

/// The flag's value, if the user gave it.
fn given(matches: &ArgMatches, setting: &Setting) -> Option<String> {
    let value = matches.try_get_one::<String>(setting.key).ok().flatten()?;
    (matches.value_source(setting.key) == Some(ValueSource::CommandLine)).then(|| value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation(line: &str) -> Invocation {
        let matches = command().try_get_matches_from(line.split(' ')).unwrap();
        read(&matches).unwrap()
    }

    #[test]
    fn the_tree_of_commands_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn flags_are_read_under_the_keys_of_their_settings() {
        let serve =
            invocation("campanile serve --listen h:1 --allow-private-networks --config c.toml");
        assert_eq!(serve.action, Action::Serve);
        assert_eq!(serve.config_file, Some(PathBuf::from("c.toml")));
        assert_eq!(serve.flags["listen"], "h:1");
        assert_eq!(serve.flags["allow_private_networks"], "true");
        assert_eq!(serve.flags.len(), 2);
        let sandbox = invocation("campanile --config c.toml sandbox --listen h:2");
        assert_eq!(sandbox.flags["sandbox.listen"], "h:2");
        assert_eq!(sandbox.config_file, Some(PathBuf::from("c.toml")));
        let off = invocation("campanile serve --allow-private-networks=false");
        assert_eq!(off.flags["allow_private_networks"], "false");
        assert_eq!(
            invocation("campanile token disable ci").action,
            Action::TokenDisable("ci".to_owned())
        );
        assert_eq!(
            invocation("campanile hold release --force").action,
            Action::HoldRelease { force: true }
        );
    }

    #[test]
    fn every_help_text_carries_an_example() {
        fn check(command: &Clap) {
            let help = command.clone().render_help().to_string();
            assert!(help.contains("Example:\n"), "{help}");
            for inner in command.get_subcommands() {
                check(inner);
            }
        }
        check(&command());
    }
}
