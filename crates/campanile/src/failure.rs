//! How a command ends when it is not done.

use std::process::ExitCode;

/// Why a command was not done; decides the exit code. Each line of the text is printed as one
/// line that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// It was tried and failed: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// It was not tried, because what was asked cannot be meant: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// It failed and has said so on stdout already: exit code 1.
    #[error("failed")]
    Told,
}

/// Answer of a command.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// Exit code 1 with this text.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "`map_err` gives the error away"
    )]
    pub(crate) fn failed(cause: impl ToString) -> Self {
        Self::Failed(cause.to_string())
    }

    /// Exit code 2 with this text.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "`map_err` gives the error away"
    )]
    pub(crate) fn usage(cause: impl ToString) -> Self {
        Self::Usage(cause.to_string())
    }

    /// The exit code of the contract.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Failed(_) | Self::Told => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
        }
    }
}
