// SPDX-License-Identifier: GPL-2.0
//! What `toa.ko` and `uoa.ko` say of a socket.
//!
//! The options and their layouts are those of DPVS's modules, so theirs answer as well.

use std::ffi::c_int;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::RawFd;

/// A client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
}

/// `TOA_SO_GET_LOOKUP`.
const TOA: c_int = 4096;
/// `UOA_SO_GET_LOOKUP`.
const UOA: c_int = 2048;

/// The IPv6 client of a TCP connection whose socket is of IPv4; all others a socket says itself.
#[must_use]
pub fn of_connection(socket: RawFd) -> Option<Client> {
    let mut answer = [0; 20];
    get_option(socket, libc::IPPROTO_IP, TOA, &mut answer)?;
    let client = of_ipv6(&answer)?;
    let mut family = [0; size_of::<c_int>()];
    get_option(socket, libc::SOL_SOCKET, libc::SO_DOMAIN, &mut family)?;
    (c_int::from_ne_bytes(family) == libc::AF_INET).then_some(client)
}

/// The client whose datagrams come from `peer` to `local`, a director's address and ours.
#[must_use]
pub fn of_datagrams(socket: RawFd, peer: SocketAddr, local: SocketAddr) -> Option<Client> {
    let mut map = question(peer, local)?;
    get_option(socket, libc::IPPROTO_IP, UOA, &mut map)?;
    answer(&map)
}

/// The client in an answer of `toa.ko`: an IPv6 address and a port in network order. IPv4 clients come mapped.
fn of_ipv6(answer: &[u8; 20]) -> Option<Client> {
    let (address, rest) = answer.split_first_chunk::<16>()?;
    let port = rest.first_chunk::<2>()?;
    let address = Ipv6Addr::from(*address);
    address.to_ipv4_mapped().is_none().then_some(Client {
        address: address.into(),
        port: u16::from_be_bytes(*port),
    })
}

/// What `uoa.ko` is asked and answers: family, source, destination, source port, destination port, then the client's
/// family, address and port. Ports are in network order, families in the host's; nothing is padded.
type Map = [u8; 58];

fn question(peer: SocketAddr, local: SocketAddr) -> Option<Map> {
    let (source, destination) = (peer.ip().to_canonical(), local.ip().to_canonical());
    let family = match (source, destination) {
        (IpAddr::V4(_), IpAddr::V4(_)) => libc::AF_INET,
        (IpAddr::V6(_), IpAddr::V6(_)) => libc::AF_INET6,
        _ => return None,
    };
    let mut map = [0; 58];
    map[..2].copy_from_slice(&u16::try_from(family).ok()?.to_ne_bytes());
    map[2..18].copy_from_slice(&sixteen(source));
    map[18..34].copy_from_slice(&sixteen(destination));
    map[34..36].copy_from_slice(&peer.port().to_be_bytes());
    map[36..38].copy_from_slice(&local.port().to_be_bytes());
    Some(map)
}

/// An address in 16 bytes, one of IPv4 in the first four.
fn sixteen(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(address) => address.octets(),
    }
}

fn answer(map: &Map) -> Option<Client> {
    let (family, rest) = map[38..].split_first_chunk::<2>()?;
    let (address, rest) = rest.split_first_chunk::<16>()?;
    let port = u16::from_be_bytes(*rest.first_chunk::<2>()?);
    let address = match c_int::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => Ipv4Addr::from(*address.first_chunk::<4>()?).into(),
        libc::AF_INET6 => Ipv6Addr::from(*address).into(),
        _ => return None,
    };
    Some(Client { address, port })
}

/// Asks with what is in `value`; `None` if the answer is another or none.
fn get_option(socket: RawFd, level: c_int, option: c_int, value: &mut [u8]) -> Option<()> {
    let mut len = libc::socklen_t::try_from(value.len()).ok()?;
    // SAFETY: The kernel writes `len` bytes at most, which `value` has.
    let status =
        unsafe { libc::getsockopt(socket, level, option, value.as_mut_ptr().cast(), &mut len) };
    (status == 0 && usize::try_from(len) == Ok(value.len())).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_toa(address: &str, port: u16) -> [u8; 20] {
        let address: Ipv6Addr = address.parse().unwrap();
        let mut answer = [0; 20];
        answer[..16].copy_from_slice(&address.octets());
        answer[16..18].copy_from_slice(&port.to_be_bytes());
        answer
    }

    #[test]
    fn an_ipv6_client_is_who_toa_says() {
        let client = of_ipv6(&of_toa("2408::1", 64920)).unwrap();
        assert_eq!(
            (client.address.to_string(), client.port),
            ("2408::1".to_owned(), 64920)
        );
    }

    #[test]
    fn a_client_that_the_socket_shows_itself_is_not_said_again() {
        assert_eq!(of_ipv6(&of_toa("::ffff:172.16.0.1", 57198)), None);
    }

    #[test]
    fn what_uoa_is_asked_has_its_layout() {
        let map = question(
            "192.168.229.204:9165".parse().unwrap(),
            "192.168.229.1:53".parse().unwrap(),
        )
        .unwrap();
        assert_eq!(u16::from_ne_bytes([map[0], map[1]]), 2);
        assert_eq!(map[2..6], [192, 168, 229, 204]);
        assert_eq!(map[6..18], [0; 12]);
        assert_eq!(map[18..22], [192, 168, 229, 1]);
        assert_eq!(map[34..38], [0x23, 0xcd, 0, 53]);
        assert_eq!(map[38..], [0; 20]);
    }

    #[test]
    fn a_dual_stack_socket_asks_for_ipv4() {
        let mapped = question(
            "[::ffff:10.0.0.1]:1".parse().unwrap(),
            "[::ffff:10.0.0.2]:2".parse().unwrap(),
        );
        let plain = question("10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap());
        assert!(plain.is_some());
        assert_eq!(mapped, plain);
    }

    #[test]
    fn families_do_not_mix() {
        let (four, six) = (
            "10.0.0.1:1".parse().unwrap(),
            "[2001:db8::1]:1".parse().unwrap(),
        );
        assert_eq!(question(four, six), None);
    }

    #[test]
    fn uoa_answers_with_either_family() {
        let mut map = [0; 58];
        assert_eq!(answer(&map), None, "no family");
        map[38..40].copy_from_slice(&10u16.to_ne_bytes());
        map[40..56].copy_from_slice(&"2408::1".parse::<Ipv6Addr>().unwrap().octets());
        map[56..].copy_from_slice(&7u16.to_be_bytes());
        assert_eq!(answer(&map).unwrap().address.to_string(), "2408::1");
        map[38..40].copy_from_slice(&2u16.to_ne_bytes());
        map[40..44].copy_from_slice(&[172, 16, 0, 1]);
        let client = answer(&map).unwrap();
        assert_eq!(
            (client.address.to_string(), client.port),
            ("172.16.0.1".to_owned(), 7)
        );
    }

    #[test]
    fn a_socket_without_toa_says_nothing() {
        use std::os::fd::AsRawFd;
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(of_connection(socket.as_raw_fd()), None);
        assert_eq!(of_connection(-1), None);
    }
}
