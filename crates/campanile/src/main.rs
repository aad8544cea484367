//! `campanile`: the one binary, with server, dialer, dashboard, sandbox and tools inside.
//!
//! It only wires: settings come in through [`config`], each command is a module of [`commands`],
//! [`server`] starts and stops a serving process. It holds no rule of the product.

mod cli;
mod commands;
mod config;
mod failure;
mod key_file;
mod logging;
mod output;
mod process;
mod server;
mod storage;

use std::process::ExitCode;

use cli::{Action, Invocation};
use config::{Environment, Resolved, Settings};
use failure::{Failure, Outcome};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let matches = match cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            // Nobody reads: nothing to say it to.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let Some(invocation) = cli::read(&matches) else {
        return ExitCode::from(2);
    };
    match run(&invocation) {
        Ok(()) => match output::failure() {
            None => ExitCode::SUCCESS,
            Some(error) => {
                output::complaint(&format!(
                    "stdout could not be written: {error}; what is there is not whole"
                ));
                ExitCode::FAILURE
            }
        },
        Err(failure) => {
            if failure != Failure::Told {
                output::complaint(&failure.to_string());
            }
            failure.exit_code()
        }
    }
}

fn run(invocation: &Invocation) -> Outcome {
    // These two say the same whatever the settings are.
    match &invocation.action {
        Action::Completions(shell) => {
            commands::completions::run(*shell);
            return Ok(());
        }
        Action::OpenApi => {
            commands::openapi::run();
            return Ok(());
        }
        _ => {}
    }
    let environment = Environment::read();
    let resolved = Resolved::find(
        &invocation.flags,
        &environment,
        invocation.config_file.as_deref(),
    )?;
    let settings = Settings::parse(&resolved)?;
    arm_failpoint(&environment)?;
    logging::start(
        settings.log_format,
        log_level(&settings, &invocation.action),
    );
    process::report_panics();
    match &invocation.action {
        Action::Serve => process::block_on(commands::serve::run(&settings)),
        Action::Demo => process::block_on(commands::demo::run(&settings)),
        Action::Sandbox => process::block_on_threads(
            commands::sandbox::LEAST_THREADS,
            commands::sandbox::run(&settings),
        ),
        Action::TokenCreate => process::block_on(commands::token::create(&settings)),
        Action::TokenList => process::block_on(commands::token::list(&settings)),
        Action::TokenDisable(token) => {
            process::block_on(commands::token::disable(&settings, token))
        }
        Action::HoldStatus => process::block_on(commands::hold::status(&settings)),
        Action::HoldRelease { force } => {
            process::block_on(commands::hold::release(&settings, *force))
        }
        Action::Doctor => {
            process::block_on(commands::doctor::run(&settings, &resolved, &environment))
        }
        Action::Migrate { undo } => process::block_on(commands::migrate::run(&settings, *undo)),
        Action::Simulate => process::block_on(commands::simulate::run(&settings)),
        Action::Config => {
            commands::config::run(&settings, &resolved);
            Ok(())
        }
        Action::OpenApi | Action::Completions(_) => Ok(()),
    }
}

/// A build without failpoints does not look: there the variable is unknown like any other.
fn arm_failpoint(environment: &Environment) -> Outcome {
    if !failpoint::ENABLED {
        return Ok(());
    }
    match environment.failpoint().map_err(Failure::usage)? {
        Some(order) => failpoint::arm(&order)
            .map_err(|error| Failure::usage(format!("CAMPANILE_FAILPOINT: {error}"))),
        None => Ok(()),
    }
}

/// Tools are asked one thing and print one answer; what a server tells would be in the way.
fn log_level<'a>(settings: &'a Settings, action: &Action) -> &'a str {
    if *action == Action::Simulate && !settings.log_level_is_chosen {
        // What a simulated process complains of on a bad day is what was asked for.
        return "off";
    }
    let serves = matches!(action, Action::Serve | Action::Sandbox);
    if serves || settings.log_level_is_chosen {
        &settings.log_level
    } else {
        "warn"
    }
}
