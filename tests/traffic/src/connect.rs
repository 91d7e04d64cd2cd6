// SPDX-License-Identifier: GPL-2.0
//! `traffic connect`: many TCP connections, each with one request whose answer is checked.
//!
//! With `--hold` the connections stay open. A line `again` on standard input then sends a request on each of them and
//! prints another report; the end of standard input closes them. With `--until-eof` new connections are made until
//! standard input ends.

use crate::reply::take_line;
use crate::reply::Reply;
use crate::report::Report;
use mio::net::TcpStream;
use mio::Events;
use mio::Interest;
use mio::Poll;
use mio::Token;
use std::io;
use std::io::BufRead;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Address and port to connect to.
    address: SocketAddr,
    /// Connections in all.
    #[arg(short = 'n', long, default_value_t = 1)]
    count: usize,
    /// Connections being made at the same time.
    #[arg(short = 'p', long, default_value_t = 64)]
    parallel: usize,
    /// Source addresses, used in turn.
    #[arg(long, value_delimiter = ',')]
    source: Vec<IpAddr>,
    /// First source port; each connection takes the next one.
    #[arg(long, default_value_t = 0)]
    source_port: u16,
    /// Keep the connections open.
    #[arg(long, conflicts_with = "until_eof")]
    hold: bool,
    /// Make connections until standard input ends.
    #[arg(long)]
    until_eof: bool,
    /// Connections begun in a second, at most.
    #[arg(long)]
    rate: Option<f64>,
    /// Let the server close each connection behind its answer, so that TIME_WAIT is the server's.
    #[arg(long, conflicts_with = "hold")]
    server_closes: bool,
    /// End each connection with a reset.
    #[arg(long)]
    reset: bool,
    /// Bytes of each request.
    #[arg(long, default_value_t = 0)]
    size: usize,
    /// Seconds each exchange may take.
    #[arg(long, default_value_t = 5.0)]
    timeout: f64,
}

/// A connection and how far its exchange has come.
struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    sent: usize,
    input: Vec<u8>,
    deadline: Instant,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The request or its answer is under way.
    Busy,
    /// Answered; the server is to close.
    Closing,
    /// Answered and kept.
    Idle,
}

struct Client<'a> {
    options: &'a Options,
    poll: Poll,
    slots: Vec<Option<Connection>>,
    free: Vec<usize>,
    busy: usize,
    started: usize,
    begin: Instant,
    report: Report,
}

pub(crate) fn run(options: &Options) -> io::Result<bool> {
    let ended = Arc::new(AtomicBool::new(false));
    if options.until_eof {
        let ended = Arc::clone(&ended);
        std::thread::spawn(move || {
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            ended.store(true, Ordering::Relaxed);
        });
    }
    let mut client = Client {
        options,
        poll: Poll::new()?,
        slots: Vec::new(),
        free: Vec::new(),
        busy: 0,
        started: 0,
        begin: Instant::now(),
        report: Report::new(),
    };
    client.work(|started| {
        if options.until_eof {
            !ended.load(Ordering::Relaxed)
        } else {
            started < options.count
        }
    })?;
    let mut ok = client.print()?;
    if options.hold {
        for line in io::stdin().lock().lines() {
            if line? == "again" {
                client.again()?;
                ok &= client.print()?;
            }
        }
    }
    client.close();
    Ok(ok)
}

impl Client<'_> {
    fn print(&mut self) -> io::Result<bool> {
        std::mem::replace(&mut self.report, Report::new()).print()
    }

    /// Starts connections while `more` says so, and sees every one of them to its end.
    fn work(&mut self, more: impl Fn(usize) -> bool) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut next_check = Instant::now();
        loop {
            while self.busy < self.options.parallel && more(self.started) && self.is_due() {
                self.start();
            }
            if self.busy == 0 && !more(self.started) {
                return Ok(());
            }
            let wait = Duration::from_millis(if self.options.rate.is_some() { 5 } else { 100 });
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                outcome => outcome?,
            }
            for event in &events {
                self.advance(event.token().0);
            }
            let now = Instant::now();
            if now >= next_check {
                next_check = now + Duration::from_millis(100);
                self.give_up(now);
            }
        }
    }

    /// Whether the rate allows another connection now.
    fn is_due(&self) -> bool {
        let elapsed = self.begin.elapsed().as_secs_f64();
        self.options
            .rate
            .is_none_or(|rate| (self.started as f64) < elapsed * rate)
    }

    /// Sends one more request on every connection that was kept.
    fn again(&mut self) -> io::Result<()> {
        self.report = Report::new();
        let deadline = Instant::now() + Duration::from_secs_f64(self.options.timeout);
        for index in 0..self.slots.len() {
            if let Some(connection) = &mut self.slots[index] {
                connection.request = request(self.options, index);
                connection.sent = 0;
                connection.state = State::Busy;
                connection.deadline = deadline;
                self.busy += 1;
                self.advance(index);
            }
        }
        self.work(|_| false)
    }

    fn start(&mut self) {
        let number = self.started;
        self.started += 1;
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let opened = open(self.options, number).and_then(|mut stream| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll
                .registry()
                .register(&mut stream, Token(index), interest)?;
            Ok(stream)
        });
        match opened {
            Ok(stream) => {
                self.busy += 1;
                self.slots[index] = Some(Connection {
                    stream,
                    request: request(self.options, number),
                    sent: 0,
                    input: Vec::new(),
                    deadline: Instant::now() + Duration::from_secs_f64(self.options.timeout),
                    state: State::Busy,
                });
            }
            Err(error) => {
                self.free.push(index);
                self.report.failed(error.to_string());
            }
        }
    }

    fn advance(&mut self, index: usize) {
        let Some(connection) = self.slots.get_mut(index).and_then(Option::as_mut) else {
            return;
        };
        let before = connection.state;
        let outcome = connection.step(self.options, &mut self.report);
        match outcome {
            Ok(false) => {
                if before == State::Busy && connection.state == State::Idle {
                    self.busy -= 1;
                }
            }
            Ok(true) => self.end(index, None),
            Err(cause) => self.end(index, Some(cause)),
        }
    }

    fn end(&mut self, index: usize, cause: Option<String>) {
        if let Some(connection) = self.slots[index].take() {
            self.free.push(index);
            self.busy -= usize::from(connection.state != State::Idle);
            if self.options.reset {
                let _ = socket2::SockRef::from(&connection.stream).set_linger(Some(Duration::ZERO));
            }
        }
        if let Some(cause) = cause {
            self.report.failed(cause);
        }
    }

    /// Ends the connections that were kept.
    fn close(&mut self) {
        for index in 0..self.slots.len() {
            self.end(index, None);
        }
    }

    fn give_up(&mut self, now: Instant) {
        for index in 0..self.slots.len() {
            let late =
                matches!(&self.slots[index], Some(c) if c.state != State::Idle && c.deadline < now);
            if late {
                let sent = self.slots[index]
                    .as_ref()
                    .is_some_and(|connection| connection.sent > 0);
                self.end(
                    index,
                    Some(if sent { "no answer" } else { "no connection" }.to_owned()),
                );
            }
        }
    }
}

impl Connection {
    /// Goes as far as it can; true when the connection is at its end.
    fn step(&mut self, options: &Options, report: &mut Report) -> Result<bool, String> {
        if let Ok(Some(error)) = self.stream.take_error() {
            return Err(error.to_string());
        }
        while self.state == State::Busy && self.sent < self.request.len() {
            match self.stream.write(&self.request[self.sent..]) {
                Ok(length) => self.sent += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(false),
                Err(error) => return Err(error.to_string()),
            }
        }
        let mut buffer = [0; 65536];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) if self.state == State::Closing => return Ok(true),
                Ok(0) => return Err("closed by the server".to_owned()),
                Ok(length) => self.input.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.to_string()),
            }
            if let Some(line) = take_line(&mut self.input) {
                self.check(&line, report)?;
                if options.hold {
                    self.state = State::Idle;
                } else if options.server_closes {
                    self.state = State::Closing;
                } else {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn check(&self, line: &[u8], report: &mut Report) -> Result<(), String> {
        let reply = Reply::parse(line).ok_or("not a reply")?;
        if self.request.strip_suffix(b"\n") != Some(reply.request) {
            return Err("the answer to another request".to_owned());
        }
        let own = self
            .stream
            .local_addr()
            .map_err(|error| error.to_string())?;
        report.answered(own, &reply);
        Ok(())
    }
}

/// The request of connection `number`, no two of them alike.
fn request(options: &Options, number: usize) -> Vec<u8> {
    let word = if options.server_closes {
        "close"
    } else {
        "request"
    };
    let mut line = format!("{word} {number} of {} ", std::process::id()).into_bytes();
    line.resize(line.len().max(options.size.saturating_sub(1)), b'.');
    line.push(b'\n');
    line
}

fn open(options: &Options, number: usize) -> io::Result<TcpStream> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(options.address),
        socket2::Type::STREAM,
        None,
    )?;
    socket.set_nonblocking(true)?;
    let port = match options.source_port {
        0 => 0,
        first => first.wrapping_add(number as u16),
    };
    if !options.source.is_empty() || port != 0 {
        let any = if options.address.is_ipv4() {
            IpAddr::from([0; 4])
        } else {
            IpAddr::from([0; 16])
        };
        let source = options
            .source
            .get(number % options.source.len().max(1))
            .copied()
            .unwrap_or(any);
        socket.set_reuse_address(port != 0)?;
        socket.bind(&SocketAddr::new(source, port).into())?;
    }
    match socket.connect(&options.address.into()) {
        Err(error) if error.raw_os_error() == Some(EINPROGRESS) => {}
        outcome => outcome?,
    }
    Ok(TcpStream::from_std(socket.into()))
}

/// The connection is being made; std has no stable `ErrorKind` for it.
const EINPROGRESS: i32 = 115;
