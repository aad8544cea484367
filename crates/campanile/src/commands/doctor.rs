//! `campanile doctor`: looks at everything a server needs and changes nothing.

mod checks;
mod providers;
mod server;

use serde_json::json;

use crate::config::{Database, Environment, Resolved, Settings};
use crate::failure::{Failure, Outcome};
use crate::output;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grade {
    Ok,
    Warn,
    Fail,
}

impl Grade {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    check: &'static str,
    grade: Grade,
    message: String,
    remedy: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self {
            check,
            grade: Grade::Ok,
            message: message.into(),
            remedy: None,
        }
    }

    fn warn(check: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            check,
            grade: Grade::Warn,
            message: message.into(),
            remedy: Some(remedy.into()),
        }
    }

    fn fail(check: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            check,
            grade: Grade::Fail,
            message: message.into(),
            remedy: Some(remedy.into()),
        }
    }
}

pub(crate) async fn run(
    settings: &Settings,
    resolved: &Resolved,
    environment: &Environment,
) -> Outcome {
    let mut findings = checks::configuration(resolved, environment);
    let (store, found) = checks::database(settings).await;
    findings.extend(found);
    if let (Some(store), Database::File(_)) = (&store, &settings.database) {
        findings.push(checks::disk(store.as_ref()));
    }
    findings.extend(checks::hold(store.as_deref()).await);
    let (vault, finding) = checks::key_file(settings, store.as_deref()).await;
    findings.push(finding);
    findings.push(checks::clock());
    if let (Some(store), Database::Server(_)) = (&store, &settings.database) {
        findings.extend(server::clock(store.as_ref()).await);
    }
    findings.push(checks::time_zones());
    findings.extend(providers::check(settings, store.as_deref(), vault.as_ref()).await);
    findings.push(checks::public_url(settings));
    tell(settings, &findings);
    let failed = findings.iter().any(|finding| finding.grade == Grade::Fail);
    if failed { Err(Failure::Told) } else { Ok(()) }
}

fn tell(settings: &Settings, findings: &[Finding]) {
    if settings.json {
        let findings = findings.iter().map(|finding| {
            json!({ "check": finding.check, "status": finding.grade.word(), "message": finding.message, "remedy": finding.remedy })
        });
        output::json(&findings.collect());
        return;
    }
    for finding in findings {
        output::line(&format!(
            "{:<5} {:<14} {}",
            finding.grade.word(),
            finding.check,
            finding.message
        ));
        if let Some(remedy) = &finding.remedy {
            output::line(&format!("{:20} -> {remedy}", ""));
        }
    }
}
