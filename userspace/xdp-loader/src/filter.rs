// SPDX-License-Identifier: GPL-2.0
//! Which frames are wanted: a few words of the language that tcpdump reads.

use std::net::{IpAddr, Ipv6Addr};

/// Frames that are wanted: all, or those that every word holds for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// 4 or 6.
    family: Option<u8>,
    protocol: Option<u8>,
    host: Option<IpAddr>,
    port: Option<u16>,
}

/// Why words are no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// A word that means nothing here.
    #[error("{0}: not a word of a filter; those are ip, ip6, tcp, udp, sctp, host ADDRESS and port NUMBER, joined by and")]
    Unknown(String),
    /// A word that another one must follow.
    #[error("{0} needs {1} behind it")]
    Incomplete(&'static str, &'static str),
    /// A word that must not be where it is.
    #[error("{0}: not {1}")]
    Value(String, &'static str),
    /// Two words of one kind.
    #[error("{0}: a filter has one of its kind")]
    Twice(String),
}

/// Bytes of `struct filter` in capture.bpf.c.
pub(crate) const SIZE: usize = 24;

impl Filter {
    /// Reads the words of a filter; without any, every frame is wanted.
    ///
    /// # Errors
    ///
    /// [`FilterError`] says which word is wrong.
    pub fn parse<W: AsRef<str>>(words: &[W]) -> Result<Self, FilterError> {
        let mut filter = Self::default();
        // A quoted filter is one word of the command line.
        let mut words = words
            .iter()
            .flat_map(|word| word.as_ref().split_whitespace());
        while let Some(word) = words.next() {
            match word {
                "and" => continue,
                "ip" => set(&mut filter.family, 4, word)?,
                "ip6" => set(&mut filter.family, 6, word)?,
                "tcp" => set(&mut filter.protocol, 6, word)?,
                "udp" => set(&mut filter.protocol, 17, word)?,
                "sctp" => set(&mut filter.protocol, 132, word)?,
                "host" => {
                    let text = words
                        .next()
                        .ok_or(FilterError::Incomplete("host", "an address"))?;
                    let addr = text
                        .parse()
                        .map_err(|_| FilterError::Value(text.to_owned(), "an address"))?;
                    set(&mut filter.host, addr, word)?;
                }
                "port" => {
                    let text = words
                        .next()
                        .ok_or(FilterError::Incomplete("port", "a number"))?;
                    let port = text
                        .parse()
                        .map_err(|_| FilterError::Value(text.to_owned(), "a port's number"))?;
                    set(&mut filter.port, port, word)?;
                }
                other => return Err(FilterError::Unknown(other.to_owned())),
            }
        }
        Ok(filter)
    }

    /// As the BPF program reads it.
    pub(crate) fn bytes(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        let host = match self.host {
            Some(IpAddr::V4(addr)) => addr.to_ipv6_mapped(),
            Some(IpAddr::V6(addr)) => addr,
            None => Ipv6Addr::UNSPECIFIED,
        };
        bytes[0] = self.family.unwrap_or(0);
        bytes[1] = self.protocol.unwrap_or(0);
        bytes[2] = u8::from(self.host.is_some());
        bytes[3] = u8::from(self.port.is_some());
        bytes[4..6].copy_from_slice(&self.port.unwrap_or(0).to_be_bytes());
        bytes[8..].copy_from_slice(&host.octets());
        bytes
    }
}

fn set<T>(place: &mut Option<T>, value: T, word: &str) -> Result<(), FilterError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(FilterError::Twice(word.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Filter, FilterError> {
        Filter::parse(&text.split(' ').collect::<Vec<_>>())
    }

    #[test]
    fn words_are_read_in_any_order_and_number() {
        let filter = Filter {
            family: None,
            protocol: Some(6),
            host: Some("10.0.0.1".parse().unwrap()),
            port: Some(80),
        };
        assert_eq!(parse("tcp and host 10.0.0.1 and port 80"), Ok(filter));
        assert_eq!(parse("port 80 host 10.0.0.1 tcp"), Ok(filter));
        assert_eq!(
            Filter::parse(&["tcp port 80 and host 10.0.0.1"]),
            Ok(filter)
        );
        assert_eq!(Filter::parse::<&str>(&[]), Ok(Filter::default()));
    }

    #[test]
    fn wrong_words_are_named() {
        let said = |text: &str| parse(text).unwrap_err().to_string();
        assert!(said("net 10.0.0.0/8").starts_with("net: "));
        assert_eq!(said("tcp port http"), "http: not a port's number");
        assert_eq!(said("port 65536"), "65536: not a port's number");
        assert_eq!(said("host"), "host needs an address behind it");
        assert_eq!(said("host www"), "www: not an address");
        assert_eq!(said("tcp udp"), "udp: a filter has one of its kind");
    }

    #[test]
    fn the_kernel_side_reads_mapped_addresses_and_ports_as_they_lie_in_packets() {
        let bytes = parse("ip udp host 10.0.0.1 port 258").unwrap().bytes();
        assert_eq!(bytes[..8], [4, 17, 1, 1, 1, 2, 0, 0]);
        assert_eq!(bytes[18..], [0xff, 0xff, 10, 0, 0, 1]);
        assert_eq!(parse("ip6 host ::1").unwrap().bytes()[23], 1);
    }
}
