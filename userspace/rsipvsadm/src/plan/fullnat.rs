// SPDX-License-Identifier: GPL-2.0
//! What can be said about how FullNAT serves a service.

use ipvs_netlink::{OptionChanges, Protocol, ServiceId, Toa, Uoa};

use super::endpoint::number;
use crate::cli::Args;
use crate::failure::Failure;

/// Kinds of the TCP option with the client's address: DPVS and Alibaba's, dsnat's, the experimental.
const KINDS: [u8; 3] = [254, 200, 253];

/// Longest time-out in seconds, as the engine has it: as much as the kernel's ticks can count.
const MAX_TIMEOUT: u32 = 2_147_483;

/// Reads the options.
///
/// # Errors
///
/// [`Failure::Usage`] naming the option whose value makes no sense.
pub fn options(args: &Args) -> Result<OptionChanges, Failure> {
    let (toa, uoa) = (args.toa.as_deref(), args.uoa.as_deref());
    let seconds = args.conn_timeout.as_deref();
    Ok(OptionChanges {
        toa: toa
            .map(|text| word("--toa", text, &Toa::ALL, Toa::word))
            .transpose()?,
        toa_kind: args.toa_kind.as_deref().map(kind).transpose()?,
        uoa: uoa
            .map(|text| word("--uoa", text, &Uoa::ALL, Uoa::word))
            .transpose()?,
        conn_timeout: seconds
            .map(|text| number("--conn-timeout", text, 0..=MAX_TIMEOUT))
            .transpose()?,
    })
}

/// Checks that the options can have an effect on a service.
///
/// # Errors
///
/// [`Failure::Usage`] naming the option that does not fit.
pub fn check(changes: &OptionChanges, id: &ServiceId) -> Result<(), Failure> {
    if changes.uoa == Some(Uoa::Ipo) && i32::from(id.family()) == libc::AF_INET6 {
        return Err(Failure::usage(format!(
            "--uoa: ipo has no room for the IPv6 clients of {id}: use opp"
        )));
    }
    let ServiceId::Address { protocol, .. } = id else {
        // Packets of any protocol may carry a mark.
        return Ok(());
    };
    let of = |option, wanted: Protocol| {
        Err(Failure::usage(format!(
            "{option}: this is for {wanted}, not for {id}"
        )))
    };
    match *protocol {
        Protocol::TCP if changes.uoa.is_some() => of("--uoa", Protocol::UDP),
        Protocol::TCP => Ok(()),
        _ if changes.toa.is_some() => of("--toa", Protocol::TCP),
        _ if changes.toa_kind.is_some() => of("--toa-kind", Protocol::TCP),
        Protocol::UDP => Ok(()),
        _ if changes.uoa.is_some() => of("--uoa", Protocol::UDP),
        _ => Ok(()),
    }
}

fn word<T: Copy>(
    option: &str,
    text: &str,
    all: &[T],
    word: fn(T) -> &'static str,
) -> Result<T, Failure> {
    let found = all.iter().find(|choice| word(**choice) == text);
    found.copied().ok_or_else(|| {
        let words: Vec<&str> = all.iter().map(|choice| word(*choice)).collect();
        Failure::usage(format!("{option}: {text} is none of {}", words.join(", ")))
    })
}

fn kind(text: &str) -> Result<u8, Failure> {
    let number = text.parse().ok().filter(|kind| KINDS.contains(kind));
    number.ok_or_else(|| Failure::usage(format!("--toa-kind: {text} is none of 254, 200, 253")))
}
