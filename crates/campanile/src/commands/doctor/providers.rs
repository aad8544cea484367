//! Checks of the voice providers: asks each account whether its credentials are accepted.

use ::providers::{CHECK_TIMEOUT, Transport};
use lines::{LineError, OpenLine};
use store::{LineRecord, PageRequest, Store, Vault};

use super::Finding;
use crate::config::Settings;
use crate::server::ProviderNetwork;

const CHECK: &str = "provider";
/// Accounts that are asked at most; an installation with more has better monitoring than this.
const MAX_LINES: usize = 50;

pub(super) async fn check(
    settings: &Settings,
    store: Option<&dyn Store>,
    vault: Option<&Vault>,
) -> Vec<Finding> {
    let Some(store) = store else {
        return vec![Finding::ok(CHECK, "none yet")];
    };
    let (lines, more) = match stored_lines(store).await {
        Ok(lines) => lines,
        Err(error) => {
            return vec![Finding::fail(
                CHECK,
                error.to_string(),
                "check the database",
            )];
        }
    };
    if lines.is_empty() {
        return vec![Finding::ok(CHECK, "none yet")];
    }
    let (Some(vault), Ok(network)) = (vault, ProviderNetwork::new(settings.outside, None)) else {
        return vec![Finding::fail(
            CHECK,
            "the credentials cannot be opened",
            "mend the key file first",
        )];
    };
    let mut findings = Vec::new();
    for line in &lines {
        findings.push(check_line(line, vault, &network).await);
    }
    if more {
        findings.push(Finding::warn(
            CHECK,
            format!("only the first {MAX_LINES} accounts were asked"),
            "verify the others with POST /api/v2/voice-providers/{id}/verify",
        ));
    }
    findings
}

/// The accounts, and whether there are more.
async fn stored_lines(store: &dyn Store) -> store::StoreResult<(Vec<LineRecord>, bool)> {
    let mut lines = Vec::new();
    let tenants = store
        .list_tenants(PageRequest {
            limit: 200,
            before: None,
        })
        .await?;
    let mut more = tenants.next.is_some();
    for tenant in tenants.items {
        let page = store
            .list_lines(
                tenant.tenant_id,
                PageRequest {
                    limit: 200,
                    before: None,
                },
            )
            .await?;
        more |= page.next.is_some();
        lines.extend(page.items);
    }
    more |= lines.len() > MAX_LINES;
    lines.truncate(MAX_LINES);
    Ok((lines, more))
}

async fn check_line(line: &LineRecord, vault: &Vault, network: &ProviderNetwork) -> Finding {
    let name = format!("{} \"{}\"", line.provider, line.name);
    match OpenLine::open(line, vault, None) {
        Ok(open) => ask(&name, &open, network).await,
        Err(LineError::NoSandbox) => Finding::ok(CHECK, format!("{name}: runs inside the server")),
        Err(error @ LineError::UnknownProvider(_)) => Finding::fail(
            CHECK,
            format!("{name}: {error}"),
            "use the newer version that made it",
        ),
        Err(error) => {
            let remedy =
                "enter the credentials again, or restore the key file the database was made with";
            Finding::fail(CHECK, format!("{name}: {error}"), remedy)
        }
    }
}

async fn ask(name: &str, line: &OpenLine, network: &ProviderNetwork) -> Finding {
    let (adapter, host) = (line.adapter(), &line.access.base_url);
    match network
        .exchange(adapter.verify_credentials(&line.access), CHECK_TIMEOUT)
        .await
    {
        Err(error) => Finding::fail(
            CHECK,
            format!("{name}: {host}: {error}"),
            "check this machine's network and the provider's status page",
        ),
        Ok(answer) => match adapter.read_verify_credentials(&answer) {
            Ok(()) => Finding::ok(CHECK, format!("{name}: {host} accepts the credentials")),
            Err(error) => Finding::fail(
                CHECK,
                format!("{name}: {error}"),
                "check the API key at the provider, then PATCH /api/v2/voice-providers/{id}",
            ),
        },
    }
}
