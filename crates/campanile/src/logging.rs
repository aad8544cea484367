//! The log: to stderr, as text or JSON lines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// The level, if it can be understood.
pub(crate) fn checked_level(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    let is_known = |part: &str| match part.split_once('=') {
        Some((target, level)) => !target.is_empty() && LEVELS.contains(&level),
        None => LEVELS.contains(&part),
    };
    if text.split(',').map(str::trim).all(is_known) && EnvFilter::try_new(text).is_ok() {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "\"{text}\" is not a log level; use error, warn, info, debug or trace, or for a part: info,dialer=debug"
        ))
    }
}

/// Starts the log. To be called once; a second call changes nothing.
pub(crate) fn start(format: LogFormat, level: &str) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Failure means that a log is there already.
    let _ = match format {
        LogFormat::Text => builder
            .with_ansi(std::io::stderr().is_terminal())
            .try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_words_not_anything() {
        for level in ["info", "warn,dialer=debug", "off"] {
            assert!(checked_level(level).is_ok(), "{level}");
        }
        for level in ["loud", "", "info,=debug", "dialer=loud"] {
            assert!(checked_level(level).is_err(), "{level}");
        }
    }
}
