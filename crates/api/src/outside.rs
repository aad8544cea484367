//! Addresses a user may make this server talk to.
//!
//! Names are not resolved here: whoever connects must check the resolved address again.

use domain::fault::Fault;
use providers::public_address::{Reach, reach};
use url::Url;

use crate::code;

/// Longest address.
const MAX_URL_BYTES: usize = 2_048;

/// Checks an address that a user gave in `field`: HTTP with a host and no user, and not ours.
pub(crate) fn check_url(field: &str, text: &str, allow_private: bool) -> Result<Url, Fault> {
    let invalid = |message: String| Fault::new(field, code::INVALID_URL, message);
    if text.len() > MAX_URL_BYTES {
        return Err(invalid(format!(
            "`{field}` may have {MAX_URL_BYTES} bytes."
        )));
    }
    // The parser would drop tabs and line breaks silently.
    let parsed = Url::parse(text)
        .ok()
        .filter(|_| !text.contains(|c: char| c.is_whitespace() || c.is_control()));
    let is_http = |url: &Url| matches!(url.scheme(), "http" | "https");
    let Some(url) = parsed.filter(is_http) else {
        return Err(invalid(format!(
            "`{field}` must be an address like `https://example.com/hook`."
        )));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid(format!(
            "`{field}` must not hold a user or password."
        )));
    }
    let Some(reach) = reach(&url) else {
        return Err(invalid(format!("`{field}` must name a host.")));
    };
    if reach != Reach::Anywhere && !allow_private {
        let message = format!(
            "`{field}` must name a public host; the server's operator can allow private networks."
        );
        return Err(Fault::new(field, code::PRIVATE_ADDRESS, message));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    fn code(text: &str) -> Option<&'static str> {
        check_url("webhook_url", text, false)
            .err()
            .map(|fault| fault.code)
    }

    #[test]
    fn public_addresses_are_taken() {
        for text in [
            "https://example.com/hook",
            "http://example.com:8080/a?b=c#d",
            "https://8.8.8.8/",
            "https://[2606:4700::1]/",
            "https://[::ffff:8.8.8.8]/",
            "https://localhost.example.com/",
            "https://xn--bcher-kva.example/",
        ] {
            assert_eq!(code(text), None, "{text}");
        }
    }

    #[test]
    fn private_addresses_are_refused_however_they_are_spelled() {
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "2130706433",
            "017700000001",
            "0",
            "10.1.2.3",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[::ffff:10.0.0.1]",
            "[::127.0.0.1]",
            "[64:ff9b::a00:1]",
            "[2002:7f00:1::]",
            "[2001:0:1::]",
            "[fe80::1]",
            "[fec0::1]",
            "[fd00::1]",
            "[ff02::1]",
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "127.0.0.1.",
            "①②⑦.0.0.1",
        ] {
            assert_eq!(
                code(&format!("http://{host}/x")),
                Some("private_address"),
                "{host}"
            );
            assert!(
                check_url("webhook_url", &format!("http://{host}/x"), true).is_ok(),
                "{host}"
            );
        }
    }

    #[test]
    fn what_is_no_http_address_is_refused() {
        for text in [
            "",
            "example.com",
            "/hook",
            "ftp://example.com",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "https://",
            "https://u@example.com/",
            "https://u:p@example.com/",
            "https://exa mple.com/",
            "https://example.com/\n",
            "ht\ttps://example.com/",
        ] {
            assert_eq!(code(text), Some("invalid_url"), "{text}");
        }
        assert_eq!(
            code(&format!("https://example.com/{}", "x".repeat(2_048))),
            Some("invalid_url")
        );
    }

    proptest::proptest! {
        #[test]
        fn a_literal_is_refused_exactly_when_it_is_not_public(bits: u128) {
            let address = Ipv6Addr::from_bits(bits);
            proptest::prop_assert_eq!(code(&format!("https://[{address}]/")).is_none(), providers::public_address::is_public(address.into()));
        }

        #[test]
        fn no_text_breaks_the_check(text in ".*") {
            let _ = check_url("webhook_url", &text, false);
        }
    }
}
