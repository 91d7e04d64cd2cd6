// SPDX-License-Identifier: GPL-2.0
//! `traffic udp`: datagrams there and back, each checked.

use crate::reply::Reply;
use crate::report::Report;
use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Duration;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Address and port to send to.
    address: SocketAddr,
    /// Datagrams in all.
    #[arg(short = 'n', long, default_value_t = 1)]
    count: usize,
    /// Sockets that send them in turn.
    #[arg(short = 'k', long, default_value_t = 1)]
    sockets: usize,
    /// Bytes of payload.
    #[arg(long, default_value_t = 32)]
    size: usize,
    /// Source address.
    #[arg(long)]
    source: Option<IpAddr>,
    /// Source port of the first socket; the others follow it.
    #[arg(long, default_value_t = 0)]
    source_port: u16,
    /// Send until standard input ends.
    #[arg(long)]
    until_eof: bool,
    /// Seconds to wait for each answer.
    #[arg(long, default_value_t = 2.0)]
    timeout: f64,
}

pub(crate) fn run(options: &Options) -> io::Result<bool> {
    let mut report = Report::new();
    let sockets = (0..options.sockets.max(1))
        .map(|index| open(options, index))
        .collect::<io::Result<Vec<_>>>()?;
    let ended = Arc::new(AtomicBool::new(false));
    if options.until_eof {
        let ended = Arc::clone(&ended);
        std::thread::spawn(move || {
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            ended.store(true, Ordering::Relaxed);
        });
    }
    let count = if options.until_eof {
        usize::MAX
    } else {
        options.count
    };
    for (index, socket) in (0..count).zip(sockets.iter().cycle()) {
        if ended.load(Ordering::Relaxed) {
            break;
        }
        let mut request = format!("datagram {index} ").into_bytes();
        request.resize(options.size.max(request.len()), b'.');
        if let Err(error) = exchange(socket, &request, &mut report) {
            report.failed(error.kind().to_string());
        }
    }
    report.print()
}

fn open(options: &Options, index: usize) -> io::Result<UdpSocket> {
    let any = if options.address.is_ipv4() {
        IpAddr::from([0; 4])
    } else {
        IpAddr::from([0; 16])
    };
    let port = match options.source_port {
        0 => 0,
        first => first.saturating_add(index as u16),
    };
    let socket = UdpSocket::bind((options.source.unwrap_or(any), port))?;
    socket.connect(options.address)?;
    socket.set_read_timeout(Some(Duration::from_secs_f64(options.timeout)))?;
    Ok(socket)
}

/// Sends one datagram and waits for its own answer; late answers to earlier ones are passed over.
fn exchange(socket: &UdpSocket, request: &[u8], report: &mut Report) -> io::Result<()> {
    socket.send(request)?;
    let mut buffer = vec![0; 65536];
    loop {
        let length = socket.recv(&mut buffer)?;
        let line = buffer.get(..length).unwrap_or_default();
        match Reply::parse(line.strip_suffix(b"\n").unwrap_or(line)) {
            Some(reply) if reply.request == request => {
                report.answered(socket.local_addr()?, &reply);
                return Ok(());
            }
            Some(_) => {}
            None => {
                report.failed("not a reply");
                return Ok(());
            }
        }
    }
}
