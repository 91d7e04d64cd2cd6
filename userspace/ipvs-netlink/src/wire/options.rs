// SPDX-License-Identifier: GPL-2.0
//! What FullNAT does with connections of one service.

use flow_abi::options;

use super::attr::{each, Attributes, WireError};

/// Where TCP carries the client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toa {
    /// Nowhere.
    Off,
    /// From the segment that ends the handshake on.
    Ack,
    /// Also in the SYN.
    Syn,
}

/// How UDP carries the client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uoa {
    /// Not at all.
    Off,
    /// In a header of its own protocol between IP and UDP.
    Opp,
    /// In an option of IP.
    Ipo,
}

impl Toa {
    /// All of them, by number.
    pub const ALL: [Toa; 3] = [Toa::Off, Toa::Ack, Toa::Syn];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Toa::Off => "off",
            Toa::Ack => "ack",
            Toa::Syn => "syn",
        }
    }

    fn number(self) -> u8 {
        match self {
            Toa::Off => 0,
            Toa::Ack => 1,
            Toa::Syn => 2,
        }
    }
}

impl Uoa {
    /// All of them, by number.
    pub const ALL: [Uoa; 3] = [Uoa::Off, Uoa::Opp, Uoa::Ipo];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Uoa::Off => "off",
            Uoa::Opp => "opp",
            Uoa::Ipo => "ipo",
        }
    }

    fn number(self) -> u8 {
        match self {
            Uoa::Off => 0,
            Uoa::Opp => 1,
            Uoa::Ipo => 2,
        }
    }
}

/// Options of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The client's address in TCP.
    pub toa: Toa,
    /// Kind of the TCP option: 254, 200 or 253.
    pub toa_kind: u8,
    /// The client's address in UDP.
    pub uoa: Uoa,
    /// Seconds after which established connections without packets end; 0 is IPVS's time-out.
    pub conn_timeout: u32,
}

impl Default for Options {
    /// What a service has that was told nothing.
    fn default() -> Self {
        Self {
            toa: Toa::Ack,
            toa_kind: 254,
            uoa: Uoa::Off,
            conn_timeout: 0,
        }
    }
}

impl Options {
    /// Reads the nest OPTIONS; what is not there has its default.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the nest is damaged or a number has no meaning.
    pub fn parse(nest: &[u8]) -> Result<Self, WireError> {
        let mut found = Self::default();
        for attribute in each(nest, "options") {
            let attribute = attribute?;
            match attribute.id {
                options::TOA => found.toa = choice(&Toa::ALL, "toa", attribute.u8("toa")?)?,
                options::TOA_KIND => found.toa_kind = attribute.u8("toa kind")?,
                options::UOA => found.uoa = choice(&Uoa::ALL, "uoa", attribute.u8("uoa")?)?,
                options::CONN_TIMEOUT => found.conn_timeout = attribute.u32("time-out")?,
                _ => {}
            }
        }
        Ok(found)
    }
}

/// Changes to the options of a service; None leaves one as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OptionChanges {
    /// The client's address in TCP.
    pub toa: Option<Toa>,
    /// Kind of the TCP option.
    pub toa_kind: Option<u8>,
    /// The client's address in UDP.
    pub uoa: Option<Uoa>,
    /// Seconds after which established connections without packets end.
    pub conn_timeout: Option<u32>,
}

impl OptionChanges {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The changes that lead to these options from any others.
    #[must_use]
    pub fn all(options: Options) -> Self {
        Self {
            toa: Some(options.toa),
            toa_kind: Some(options.toa_kind),
            uoa: Some(options.uoa),
            conn_timeout: Some(options.conn_timeout),
        }
    }

    /// The options after the changes were made to these.
    #[must_use]
    pub fn overlay(&self, old: Options) -> Options {
        Options {
            toa: self.toa.unwrap_or(old.toa),
            toa_kind: self.toa_kind.unwrap_or(old.toa_kind),
            uoa: self.uoa.unwrap_or(old.uoa),
            conn_timeout: self.conn_timeout.unwrap_or(old.conn_timeout),
        }
    }

    /// The nest OPTIONS of a request.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        let mut out = Attributes::new();
        if let Some(toa) = self.toa {
            out.u8(options::TOA, toa.number());
        }
        if let Some(kind) = self.toa_kind {
            out.u8(options::TOA_KIND, kind);
        }
        if let Some(uoa) = self.uoa {
            out.u8(options::UOA, uoa.number());
        }
        if let Some(seconds) = self.conn_timeout {
            out.u32(options::CONN_TIMEOUT, seconds);
        }
        out
    }
}

fn choice<T: Copy>(all: &[T], name: &'static str, number: u8) -> Result<T, WireError> {
    all.get(usize::from(number))
        .copied()
        .ok_or(WireError::Value {
            name,
            value: number.into(),
        })
}
