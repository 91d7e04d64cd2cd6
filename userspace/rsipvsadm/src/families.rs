// SPDX-License-Identifier: GPL-2.0
//! FullNAT servers of another family than their service: how IPVS stores them, how people name them.
//!
//! IPVS refuses such servers, so each goes by a name of the service's family. A server with an IPv4
//! address behind an IPv6 service has its address after the prefix of RFC 6052, which says all. A
//! server with an IPv6 address behind an IPv4 service has an alias in 240.0.0.0/4, where no host of
//! the Internet is, and ip_vs_flow.ko keeps which address it stands for.
//!
//! Everything in this crate but the way to and from the kernel has the names people use.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipvs_netlink::{Alias, Method};
use nat::{address_map, Address};

/// How many aliases are tried for one server. With 2^28 of them and a thousand servers it is one in
/// 260,000 that the first is taken.
const ATTEMPTS: u32 = 16;

/// The name under which an IPv6 service has an IPv4 server.
#[must_use]
pub fn nat64(addr: Ipv4Addr) -> Ipv6Addr {
    Ipv6Addr::from(*address_map::embed(addr.octets()).octets())
}

/// Whether an address can only be an alias.
#[must_use]
pub fn is_alias(addr: Ipv4Addr) -> bool {
    address_map::is_alias(addr.octets())
}

/// The aliases a server may have, the best first. They depend on nothing but its address, so every
/// director gives it the same.
pub fn candidates(server: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let addr = Address::from_octets(server.octets());
    (0..ATTEMPTS).map(move |attempt| address_map::alias_of(&addr, attempt).into())
}

/// Which server an alias stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases(BTreeMap<Ipv4Addr, Ipv6Addr>);

impl FromIterator<Alias> for Aliases {
    fn from_iter<T: IntoIterator<Item = Alias>>(aliases: T) -> Self {
        let pairs = aliases.into_iter();
        Self(pairs.map(|alias| (alias.addr, alias.server)).collect())
    }
}

impl Aliases {
    /// The alias of a server, if it has one.
    #[must_use]
    pub fn of(&self, server: Ipv6Addr) -> Option<Ipv4Addr> {
        let mut pairs = self.0.iter();
        pairs
            .find(|(_, other)| **other == server)
            .map(|(alias, _)| *alias)
    }

    /// The server an alias stands for.
    #[must_use]
    pub fn server(&self, alias: Ipv4Addr) -> Option<Ipv6Addr> {
        self.0.get(&alias).copied()
    }

    /// All aliases.
    pub fn addrs(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.0.keys().copied()
    }

    /// Whether there is this alias.
    #[must_use]
    pub fn has(&self, alias: Ipv4Addr) -> bool {
        self.0.contains_key(&alias)
    }

    /// The address people know a server by, given the one IPVS has.
    #[must_use]
    pub fn shown(&self, method: Method, stored: IpAddr) -> IpAddr {
        match stored {
            _ if method != Method::FullNat => stored,
            IpAddr::V4(addr) => self.server(addr).map_or(stored, IpAddr::from),
            IpAddr::V6(addr) => {
                let embedded = address_map::extract(&Address::from_octets(addr.octets()));
                embedded.map_or(stored, IpAddr::from)
            }
        }
    }

    /// Whether the address IPVS has is an alias of nobody knows whom.
    #[must_use]
    pub fn is_lost(&self, method: Method, stored: IpAddr) -> bool {
        match stored {
            IpAddr::V4(addr) => method == Method::FullNat && is_alias(addr) && !self.has(addr),
            IpAddr::V6(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v6(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    #[test]
    fn nat64_names_go_both_ways() {
        let addr = Ipv4Addr::new(192, 168, 229, 1);
        let stored = IpAddr::from(nat64(addr));
        assert_eq!(stored, v6("64:ff9b::192.168.229.1"));
        let none = Aliases::default();
        assert_eq!(none.shown(Method::FullNat, stored), addr);
        assert_eq!(none.shown(Method::Masq, stored), stored);
        let other = IpAddr::from(v6("64:ff9b:1::192.168.229.1"));
        assert_eq!(none.shown(Method::FullNat, other), other);
    }

    #[test]
    fn candidates_are_aliases_and_differ() {
        let mut seen = std::collections::HashSet::new();
        for host in 0..1000_u128 {
            let server = Ipv6Addr::from((0x2001_0db8_u128 << 96) | host);
            let all: Vec<_> = candidates(server).collect();
            assert!(all.iter().all(|addr| is_alias(*addr)), "{server}: {all:?}");
            assert_eq!(all, candidates(server).collect::<Vec<_>>());
            seen.insert(all[0]);
            assert_ne!(all[0], all[1]);
        }
        // Neighbours must not share their first choice.
        assert!(seen.len() > 995, "{} of 1000", seen.len());
    }

    #[test]
    fn an_alias_is_shown_as_its_server_and_lost_without_one() {
        let addr = Ipv4Addr::new(240, 1, 2, 3);
        let aliases: Aliases = [Alias {
            addr,
            server: v6("2001:db8::1"),
        }]
        .into_iter()
        .collect();
        let other = IpAddr::from([240, 1, 2, 4]);
        assert_eq!(aliases.of(v6("2001:db8::1")), Some(addr));
        assert_eq!(aliases.of(v6("2001:db8::2")), None);
        assert_eq!(
            aliases.shown(Method::FullNat, addr.into()),
            v6("2001:db8::1")
        );
        assert!(!aliases.is_lost(Method::FullNat, addr.into()));
        assert_eq!(aliases.shown(Method::FullNat, other), other);
        assert!(aliases.is_lost(Method::FullNat, other));
        assert!(!aliases.is_lost(Method::Masq, other));
        assert!(!aliases.is_lost(Method::FullNat, IpAddr::from([10, 1, 2, 3])));
        assert!(!is_alias(Ipv4Addr::BROADCAST));
    }
}
