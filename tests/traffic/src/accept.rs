// SPDX-License-Identifier: GPL-2.0
//! `traffic accept`: what it takes a server to accept a connection and to learn who it is from.
//!
//! The program is both ends, over the loopback device: the client is made by hand, so that no other host's TCP is
//! counted, and what it sends has gone all its way when send() returns. The kernel must not answer for the client's
//! address; an nft rule that drops its resets sees to that.

use serde::Serialize;
use socket2::Domain;
use socket2::Protocol;
use socket2::SockAddr;
use socket2::Socket;
use socket2::Type;
use std::io;
use std::io::Read;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::SocketAddrV4;
use std::net::TcpListener;
use std::time::Duration;
use std::time::Instant;

const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 1), 8009);
/// Who the option says it is.
const BEHIND: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 9), 258);
const SYN: u8 = 2;
const ACK: u8 = 16;
/// What hosts say in a SYN: MSS, SACK, time stamps, window scale.
const SYN_OPTIONS: [u8; 20] = [
    2, 4, 0xff, 0xd7, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7,
];
/// What they say afterwards: time stamps. To echo zero is to echo nothing.
const ACK_OPTIONS: [u8; 12] = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0];
/// The same by way of a director, which lets no time stamps be negotiated unless it is told to.
const SYN_OPTIONS_DIRECTED: [u8; 12] = [2, 4, 0xff, 0xd7, 4, 2, 1, 3, 3, 7, 1, 1];
/// And then it says who the client is.
const ACK_OPTIONS_DIRECTED: [u8; 8] = [254, 8, 1, 2, 203, 0, 113, 9];
/// Connections that make one figure of which the median is taken: what comes between now and then, like the end of
/// an RCU grace period, is in few of them.
const SLICE: u32 = 50;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many connections, one after the other.
    #[arg(short, default_value_t = 2000)]
    number: u32,
    /// Put an option with a client's address into the end of the handshake.
    #[arg(long)]
    option: bool,
    /// Expect to be told that client, and not the sender of the packets.
    #[arg(long)]
    named: bool,
}

/// Nanoseconds for each connection.
#[derive(Default, Serialize)]
struct Costs {
    syn: f64,
    ack: f64,
    accept: f64,
    getpeername: f64,
    close: f64,
    all: f64,
}

pub(crate) fn run(options: &Options) -> io::Result<bool> {
    let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255)))?;
    let mut answers = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::TCP))?;
    answers.bind(&SockAddr::from(SocketAddrV4::new(CLIENT, 0)))?;
    answers.set_read_timeout(Some(Duration::from_secs(5)))?;
    let listener = TcpListener::bind(SERVER)?;
    // By then the connection is there, or something is wrong.
    listener.set_nonblocking(true)?;
    let to = SockAddr::from(SERVER);

    let (syn_options, ack_options): (&[u8], &[u8]) = match options.option {
        true => (&SYN_OPTIONS_DIRECTED, &ACK_OPTIONS_DIRECTED),
        false => (&SYN_OPTIONS, &ACK_OPTIONS),
    };
    let mut slices = Vec::new();
    let mut sums = [Duration::ZERO; 5];
    for number in 0..options.number {
        let port = (10_000 + number % 50_000) as u16;
        let syn = segment(port, 1, 0, SYN, syn_options);
        let start = Instant::now();
        raw.send_to(&syn, &to)?;
        sums[0] += start.elapsed();
        let acknowledged = syn_ack(&mut answers, port)?;

        let ack = segment(port, 2, acknowledged, ACK, ack_options);
        let start = Instant::now();
        raw.send_to(&ack, &to)?;
        sums[1] += start.elapsed();

        let start = Instant::now();
        let (stream, accepted) = listener.accept()?;
        sums[2] += start.elapsed();
        let start = Instant::now();
        let peer = stream.peer_addr()?;
        sums[3] += start.elapsed();
        let wanted = if options.named {
            BEHIND
        } else {
            SocketAddrV4::new(CLIENT, port)
        };
        if accepted != SocketAddr::V4(wanted) || peer != accepted {
            eprintln!("accept() said {accepted} and getpeername() {peer}, not {wanted}");
            return Ok(false);
        }
        let stream = Socket::from(stream);
        stream.set_linger(Some(Duration::ZERO))?;
        let start = Instant::now();
        drop(stream);
        sums[4] += start.elapsed();
        if number % SLICE == SLICE - 1 {
            slices.push(std::mem::take(&mut sums));
        }
    }
    let median = |part: usize| {
        let mut figures: Vec<_> = slices.iter().map(|sums| sums[part]).collect();
        figures.sort();
        let middle = figures.get(figures.len() / 2).copied().unwrap_or_default();
        (middle.as_nanos() as f64 / f64::from(SLICE)).round()
    };
    let parts = [0, 1, 2, 3, 4].map(median);
    let [syn, ack, accept, getpeername, close] = parts;
    let all = parts.iter().sum();
    let costs = Costs {
        syn,
        ack,
        accept,
        getpeername,
        close,
        all,
    };
    println!("{}", serde_json::to_string(&costs)?);
    Ok(true)
}

/// Waits for the answer to a SYN: what there is to acknowledge.
fn syn_ack(answers: &mut Socket, port: u16) -> io::Result<u32> {
    let mut packet = [0; 256];
    loop {
        let length = answers.read(&mut packet)?;
        if length >= 40 && packet[33] == SYN | ACK && packet[22..24] == port.to_be_bytes() {
            let number = [packet[24], packet[25], packet[26], packet[27]];
            return Ok(u32::from_be_bytes(number).wrapping_add(1));
        }
    }
}

/// An IPv4 packet with a TCP segment of the client; the kernel fills in the header's checksum.
fn segment(port: u16, sequence: u32, acknowledged: u32, flags: u8, options: &[u8]) -> Vec<u8> {
    let length = 20 + options.len() as u8;
    let mut tcp = Vec::new();
    tcp.extend(port.to_be_bytes());
    tcp.extend(SERVER.port().to_be_bytes());
    tcp.extend(sequence.to_be_bytes());
    tcp.extend(acknowledged.to_be_bytes());
    tcp.extend([length << 2, flags, 0xfa, 0, 0, 0, 0, 0]);
    tcp.extend(options);
    let pseudo = [
        &CLIENT.octets()[..],
        &SERVER.ip().octets(),
        &[0, 6, 0, length],
    ]
    .concat();
    let words = pseudo.chunks(2).chain(tcp.chunks(2));
    let mut sum: u32 = words
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    tcp[16..18].copy_from_slice(&(!sum as u16).to_be_bytes());
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0];
    packet.extend(CLIENT.octets());
    packet.extend(SERVER.ip().octets());
    packet.extend(tcp);
    packet
}
