//! Which addresses of the internet are public, so that nobody can point this server at the inside
//! of its own network.
//!
//! The refused ranges are those of the IANA special-purpose registries, with the forms that embed
//! an IPv4 address judged by that address or refused whole.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
