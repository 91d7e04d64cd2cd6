// SPDX-License-Identifier: GPL-2.0
//! `traffic bulk`: many bytes both ways at once, with a hash of what was sent and of what arrived.
//!
//! The client sends the line `bulk UP DOWN`, then both ends send at the same time; when the server has read `UP` bytes
//! and sent `DOWN`, it sends the two hashes on a line. The hash is XXH3-128: in an emulator SHA-256 would take
//! longer than the transfer. Every KiB carries its own number, so that bytes which change places are seen too.

use crate::report::print_json;
use serde::Serialize;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;
use std::time::Instant;
use xxhash_rust::xxh3::Xxh3;

const CHUNK: usize = 64 * 1024;
const STAMP_EVERY: usize = 1024;

/// The two ends send different bytes: a packet that came back to its sender must not pass for the other's.
const CLIENT: u64 = 0x9e37_79b9_7f4a_7c15;
const SERVER: u64 = 0xd1b5_4a32_d192_ed03;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Address and port to connect to.
    address: SocketAddr,
    /// Bytes from the client to the server.
    #[arg(long, default_value_t = 1 << 20)]
    up: u64,
    /// Bytes from the server to the client.
    #[arg(long, default_value_t = 1 << 20)]
    down: u64,
    /// Seconds without any progress after which to give up.
    #[arg(long, default_value_t = 10)]
    timeout: u64,
}

#[derive(Serialize)]
struct Outcome {
    ok: bool,
    up: u64,
    down: u64,
    up_hash: String,
    up_hash_server: String,
    down_hash: String,
    down_hash_server: String,
    seconds: f64,
}

pub(crate) fn run(options: &Options) -> io::Result<bool> {
    let begin = Instant::now();
    let mut stream =
        TcpStream::connect_timeout(&options.address, Duration::from_secs(options.timeout))?;
    stream.set_read_timeout(Some(Duration::from_secs(options.timeout)))?;
    stream.set_write_timeout(Some(Duration::from_secs(options.timeout)))?;
    stream.write_all(format!("bulk {} {}\n", options.up, options.down).as_bytes())?;
    let (up_hash, down_hash) = both_ways(&stream, CLIENT, &[], options.up, options.down)?;
    let mut line = String::new();
    stream.read_to_string(&mut line)?;
    let (up_hash_server, down_hash_server) = line.trim().split_once(' ').unwrap_or_default();
    let ok = up_hash == up_hash_server && down_hash == down_hash_server;
    print_json(&Outcome {
        ok,
        up: options.up,
        down: options.down,
        up_hash_server: up_hash_server.to_owned(),
        down_hash_server: down_hash_server.to_owned(),
        up_hash,
        down_hash,
        seconds: begin.elapsed().as_secs_f64(),
    })?;
    Ok(ok)
}

/// The server's half; `early` is what was read behind the request line.
pub(crate) fn answer(mut stream: TcpStream, request: &[u8], early: &[u8]) -> io::Result<()> {
    let text = std::str::from_utf8(request).unwrap_or_default();
    let mut numbers = text.split(' ').skip(1).map(str::parse::<u64>);
    let (Some(Ok(up)), Some(Ok(down))) = (numbers.next(), numbers.next()) else {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    };
    let (down_hash, up_hash) = both_ways(&stream, SERVER, early, down, up)?;
    stream.write_all(format!("{up_hash} {down_hash}\n").as_bytes())
}

/// Sends and receives at once; the hashes of what was sent and of what was received.
fn both_ways(
    stream: &TcpStream,
    seed: u64,
    early: &[u8],
    send: u64,
    receive: u64,
) -> io::Result<(String, String)> {
    thread::scope(|scope| {
        let sender = scope.spawn(|| send_bytes(stream, seed, send));
        let received = receive_bytes(stream, early, receive)?;
        let sent = sender
            .join()
            .map_err(|_| io::Error::other("the sender died"))??;
        Ok((sent, received))
    })
}

fn send_bytes(mut stream: &TcpStream, seed: u64, mut left: u64) -> io::Result<String> {
    let mut hash = Xxh3::new();
    let mut chunk = noise(seed);
    let mut number = 0_u64;
    while left > 0 {
        for stamp in chunk.chunks_mut(STAMP_EVERY) {
            stamp[..8].copy_from_slice(&number.to_be_bytes());
            number += 1;
        }
        let length = CHUNK.min(usize::try_from(left).unwrap_or(CHUNK));
        stream.write_all(&chunk[..length])?;
        hash.update(&chunk[..length]);
        left -= length as u64;
    }
    Ok(format!("{:032x}", hash.digest128()))
}

fn receive_bytes(mut stream: &TcpStream, early: &[u8], mut left: u64) -> io::Result<String> {
    let mut hash = Xxh3::new();
    hash.update(early);
    left = left.saturating_sub(early.len() as u64);
    let mut chunk = vec![0; CHUNK];
    while left > 0 {
        let length = CHUNK.min(usize::try_from(left).unwrap_or(CHUNK));
        let length = stream.read(&mut chunk[..length])?;
        if length == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        hash.update(&chunk[..length]);
        left -= length as u64;
    }
    Ok(format!("{:032x}", hash.digest128()))
}

/// A chunk of xorshift noise, so that no part of it equals another.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut chunk = Vec::with_capacity(CHUNK);
    while chunk.len() < CHUNK {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        chunk.extend_from_slice(&state.to_le_bytes());
    }
    chunk
}
