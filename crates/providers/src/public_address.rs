//! Which addresses of the internet are public, so that nobody can point this server at the inside
//! of its own network.
//!
//! This is the one place that judges an address: the API asks it about addresses that users give,
//! whoever connects about the addresses that names resolve to, and the dialer and the command line
//! about where the server itself can be reached.
//!
//! The refused ranges are those of the IANA special-purpose registries, with the forms that embed
//! an IPv4 address judged by that address or refused whole.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// From where a host can be reached, as far as its address tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// From this machine only.
    Machine,
    /// From inside a network only.
    Network,
    /// From everywhere; of a name only its resolution tells.
    Anywhere,
}

/// From where the host of `url` can be reached; `None` without a host.
pub fn reach(url: &Url) -> Option<Reach> {
    Some(match url.host()? {
        Host::Domain(name) if is_local_name(name) => Reach::Machine,
        Host::Domain(_) => Reach::Anywhere,
        Host::Ipv4(address) => reach_of(address.into()),
        Host::Ipv6(address) => reach_of(address.into()),
    })
}

/// Whether `url` is an address that means this machine only.
pub fn is_loopback(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| reach(&url) == Some(Reach::Machine))
}

fn reach_of(address: IpAddr) -> Reach {
    let address = address.to_canonical();
    if address.is_loopback() || address.is_unspecified() {
        Reach::Machine
    } else if is_public(address) {
        Reach::Anywhere
    } else {
        Reach::Network
    }
}

/// `localhost` and what is below it (RFC 6761), and no name at all.
fn is_local_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name.is_empty() || name == "localhost" || name.ends_with(".localhost")
}

/// Whether `address` may be connected to on behalf of a user.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => v6
            .to_ipv4_mapped()
            .map_or_else(|| is_public_v6(v6), is_public_v4),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match (a, b, c) {
        (0 | 10 | 127 | 224..=255, ..)        // this network, private, loopback, multicast, reserved
        | (100, 64..=127, _)                  // shared address space (RFC 6598)
        | (169, 254, _)                       // link-local
        | (172, 16..=31, _) | (192, 168, _)   // private
        | (192, 0, 0 | 2)                     // protocol assignments, documentation
        | (192, 88, 99)                       // 6to4 relay
        | (198, 18..=19, _)                   // benchmarks
        | (198, 51, 100) | (203, 0, 113) => true, // documentation
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let global_unicast = (0x2000..=0x3fff).contains(&a);
    let special = match (a, b) {
        // Protocol assignments with Teredo, benchmarks and ORCHID; documentation.
        (0x2001, 0x0000..=0x01ff | 0x0db8)
        // 6to4, which embeds any IPv4 address; documentation.
        | (0x2002, _) | (0x3fff, 0x0000..=0x0fff) => true,
        _ => false,
    };
    global_unicast && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inside_of_a_network_is_never_public() {
        let inside = [
            "127.0.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "3fff::1",
            "5f00::1",
        ];
        for text in inside {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_host_is_judged_by_what_it_is_and_not_by_how_it_begins() {
        let reach = |text: &str| reach(&Url::parse(text).unwrap());
        for text in [
            "http://127.0.0.1:80/x",
            "http://127.1/",
            "http://0x7f.1/",
            "http://2130706433/",
            "http://user@127.0.0.1/",
            "http://0.0.0.0/",
            "http://[::1]:8080",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://localhost/",
            "http://LOCALHOST.:1/",
            "http://app.localhost/",
        ] {
            assert_eq!(reach(text), Some(Reach::Machine), "{text}");
            assert!(is_loopback(text), "{text}");
        }
        for text in [
            "http://127.evil.com/",
            "http://127.0.0.1.evil.com/",
            "https://localhost.evil.com/",
            "https://notlocalhost/",
            "https://example.com/?u=http://127.0.0.1",
            "http://127.0.0.1@example.com/",
            "https://8.8.8.8/",
        ] {
            assert_eq!(reach(text), Some(Reach::Anywhere), "{text}");
            assert!(!is_loopback(text), "{text}");
        }
        for text in [
            "http://10.0.0.1/",
            "http://[fd00::1]/",
            "http://169.254.169.254/",
        ] {
            assert_eq!(reach(text), Some(Reach::Network), "{text}");
            assert!(!is_loopback(text), "{text}");
        }
        for text in [
            "",
            "localhost",
            "127.0.0.1",
            "http://",
            "mailto:a@localhost",
        ] {
            assert!(!is_loopback(text), "{text}");
        }
    }

    #[test]
    fn the_internet_is_public() {
        for text in [
            "8.8.8.8",
            "1.1.1.1",
            "100.63.255.255",
            "172.32.0.1",
            "2606:4700:4700::1111",
            "2a00:1450::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }
}
