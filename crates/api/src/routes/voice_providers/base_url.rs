//! Roots of vendors' APIs as users give them.

use domain::fault::Fault;
use providers::ProviderKind;

use crate::code;
use crate::outside::check_url;
use crate::state::App;

/// The address without a trailing slash. The vendor's key travels there, so it must be HTTPS
/// unless the server may talk to private networks.
pub(super) fn parse(app: &App, kind: ProviderKind, text: &str) -> Result<String, Fault> {
    let allow_private = app.options.allow_private_networks;
    let url = check_url("base_url", text, allow_private)?;
    let invalid = |message: &str| Fault::new("base_url", code::INVALID_URL, message);
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("`base_url` must have no query and no fragment."));
    }
    if kind == ProviderKind::Vapi && url.scheme() != "https" && !allow_private {
        return Err(invalid("`base_url` must begin with `https://`."));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}
