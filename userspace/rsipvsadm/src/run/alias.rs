// SPDX-License-Identifier: GPL-2.0
//! Aliases of IPv6 servers behind IPv4 services: made before the server, taken away after the last.
//!
//! IPVS and the engine are two places, so somebody else may add a server between our look and our
//! step. Therefore [`acquire`] is done again when the server is there, and [`release`] looks again
//! when the alias is gone.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::failure::Failure;
use crate::families::{candidates, Aliases};

/// What the two kernel families know of aliases.
pub(super) trait Registry {
    /// All aliases.
    fn aliases(&mut self) -> Result<Aliases, Failure>;
    /// Makes one; false if it stands for another server.
    fn make(&mut self, alias: Ipv4Addr, server: Ipv6Addr) -> Result<bool, Failure>;
    /// Takes one away; it may be gone already.
    fn unmake(&mut self, alias: Ipv4Addr) -> Result<(), Failure>;
    /// The aliases that servers of IPVS have.
    fn used(&mut self) -> Result<BTreeSet<Ipv4Addr>, Failure>;
}

/// An alias that can be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Acquired {
    /// The alias.
    pub(super) alias: Ipv4Addr,
    /// Whether it was made for us and must go again if it is not used after all.
    pub(super) new: bool,
}

/// Finds or makes the alias of a server.
pub(super) fn acquire(registry: &mut impl Registry, server: Ipv6Addr) -> Result<Acquired, Failure> {
    if let Some(alias) = registry.aliases()?.of(server) {
        return Ok(Acquired { alias, new: false });
    }
    for alias in candidates(server) {
        if registry.make(alias, server)? {
            return Ok(Acquired { alias, new: true });
        }
    }
    Err(Failure::runtime(format!(
        "cannot add an alias of server {server}: all it could have stand for other servers; \
         delete IPv6 servers of IPv4 services that are not needed"
    )))
}

/// Takes away those of these aliases that no server has.
pub(super) fn release(
    registry: &mut impl Registry,
    aliases: impl IntoIterator<Item = Ipv4Addr>,
) -> Result<(), Failure> {
    let aliases: BTreeSet<Ipv4Addr> = aliases.into_iter().collect();
    if aliases.is_empty() {
        return Ok(());
    }
    let known = registry.aliases()?;
    let used = registry.used()?;
    let gone: Vec<_> = aliases
        .difference(&used)
        .filter(|alias| known.has(**alias))
        .copied()
        .collect();
    if gone.is_empty() {
        return Ok(());
    }
    for alias in &gone {
        registry.unmake(*alias)?;
    }
    let used = registry.used()?;
    for alias in gone.iter().filter(|alias| used.contains(alias)) {
        if let Some(server) = known.server(*alias) {
            registry.make(*alias, server)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A kernel that does what it is told, and what somebody else tells it in between.
    #[derive(Default)]
    struct Fake {
        aliases: BTreeMap<Ipv4Addr, Ipv6Addr>,
        used: BTreeSet<Ipv4Addr>,
        /// Servers that somebody adds as soon as an alias has been taken away.
        rivals: Vec<Ipv4Addr>,
        calls: usize,
    }

    impl Registry for Fake {
        fn aliases(&mut self) -> Result<Aliases, Failure> {
            let pairs = self.aliases.iter();
            Ok(pairs
                .map(|(addr, server)| ipvs_netlink::Alias {
                    addr: *addr,
                    server: *server,
                })
                .collect())
        }

        fn make(&mut self, alias: Ipv4Addr, server: Ipv6Addr) -> Result<bool, Failure> {
            self.calls += 1;
            Ok(*self.aliases.entry(alias).or_insert(server) == server)
        }

        fn unmake(&mut self, alias: Ipv4Addr) -> Result<(), Failure> {
            self.calls += 1;
            self.aliases.remove(&alias);
            self.used.extend(self.rivals.drain(..));
            Ok(())
        }

        fn used(&mut self) -> Result<BTreeSet<Ipv4Addr>, Failure> {
            Ok(self.used.clone())
        }
    }

    fn server(host: u16) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host)
    }

    #[test]
    fn a_server_has_one_alias_however_often_it_is_added() {
        let mut fake = Fake::default();
        let first = acquire(&mut fake, server(1)).unwrap();
        assert!(first.new);
        let second = acquire(&mut fake, server(1)).unwrap();
        assert_eq!((second.alias, second.new), (first.alias, false));
        assert_ne!(acquire(&mut fake, server(2)).unwrap().alias, first.alias);
    }

    #[test]
    fn an_alias_that_is_taken_is_passed_over() {
        let mut fake = Fake::default();
        let choices: Vec<_> = candidates(server(1)).collect();
        fake.aliases.insert(choices[0], server(2));
        fake.aliases.insert(choices[1], server(3));
        let got = acquire(&mut fake, server(1)).unwrap();
        assert_eq!(got.alias, choices[2]);
        // Also when the first choice becomes free: the server keeps what it has.
        fake.aliases.remove(&choices[0]);
        assert_eq!(acquire(&mut fake, server(1)).unwrap().alias, choices[2]);
    }

    #[test]
    fn that_none_is_left_is_said() {
        let mut fake = Fake::default();
        for alias in candidates(server(1)) {
            fake.aliases.insert(alias, server(2));
        }
        let said = acquire(&mut fake, server(1)).unwrap_err().to_string();
        assert!(said.contains("2001:db8::1"), "{said}");
    }

    #[test]
    fn only_what_nobody_uses_is_released() {
        let mut fake = Fake::default();
        let [one, two] = [1, 2].map(|host| acquire(&mut fake, server(host)).unwrap().alias);
        fake.used.insert(one);
        release(&mut fake, [one, two]).unwrap();
        assert_eq!(fake.aliases.keys().copied().collect::<Vec<_>>(), [one]);
        fake.calls = 0;
        release(&mut fake, [one, two, Ipv4Addr::new(192, 168, 229, 1)]).unwrap();
        assert_eq!(fake.calls, 0);
    }

    #[test]
    fn a_server_that_is_added_meanwhile_keeps_its_alias() {
        let mut fake = Fake::default();
        let alias = acquire(&mut fake, server(1)).unwrap().alias;
        fake.rivals.push(alias);
        release(&mut fake, [alias]).unwrap();
        assert_eq!(fake.aliases.get(&alias), Some(&server(1)));
    }
}
