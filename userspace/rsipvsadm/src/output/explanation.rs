// SPDX-License-Identifier: GPL-2.0
//! What would happen to a packet, in numbered sentences and a verdict.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::json::protocol_word;
use crate::explain::{Explanation, Question, Verdict};

/// The steps, numbered, and the verdict in the last line.
#[must_use]
pub fn text(explanation: &Explanation) -> String {
    let mut out = String::new();
    for (number, step) in explanation.steps.iter().enumerate() {
        out += &format!("{}. {step}\n", number + 1);
    }
    out + &match &explanation.verdict {
        Verdict::Forwarded { to } => {
            let to: Vec<String> = to.iter().map(SocketAddr::to_string).collect();
            format!("Verdict: forwarded to {}\n", to.join(" or "))
        }
        Verdict::Dropped {
            reason,
            counter: Some(counter),
        } => format!("Verdict: dropped: {reason}; {counter} goes up\n"),
        Verdict::Dropped {
            reason,
            counter: None,
        } => format!("Verdict: dropped: {reason}; no counter of FullNAT goes up\n"),
        Verdict::Untouched { reason } => format!("Verdict: not a matter of IPVS: {reason}\n"),
    }
}

#[derive(Serialize)]
struct Entry<'a> {
    protocol: std::borrow::Cow<'static, str>,
    source: Endpoint,
    destination: Endpoint,
    mark: u32,
    steps: &'a [String],
    verdict: &'static str,
    to: Vec<Endpoint>,
    reason: Option<&'a str>,
    counter: Option<&'a str>,
}

#[derive(Serialize)]
struct Endpoint {
    address: IpAddr,
    port: u16,
}

impl From<SocketAddr> for Endpoint {
    fn from(end: SocketAddr) -> Self {
        Self {
            address: end.ip(),
            port: end.port(),
        }
    }
}

/// The same as JSON.
#[must_use]
pub fn json(question: &Question, explanation: &Explanation) -> String {
    let (verdict, to, reason, counter) = match &explanation.verdict {
        Verdict::Forwarded { to } => ("forwarded", to.as_slice(), None, None),
        Verdict::Dropped { reason, counter } => {
            ("dropped", &[][..], Some(reason.as_str()), *counter)
        }
        Verdict::Untouched { reason } => ("untouched", &[][..], Some(reason.as_str()), None),
    };
    let entry = Entry {
        protocol: protocol_word(question.protocol),
        source: question.from.into(),
        destination: question.to.into(),
        mark: question.mark,
        steps: &explanation.steps,
        verdict,
        to: to.iter().copied().map(Endpoint::from).collect(),
        reason,
        counter,
    };
    // Nothing in it can fail to become JSON.
    serde_json::to_string_pretty(&entry).unwrap_or_default() + "\n"
}
