// SPDX-License-Identifier: GPL-2.0
//! Reading and writing single netlink attributes.
//!
//! Writing is netlink-packet-core's. Reading is ours, because a listing of a million connections must
//! not allocate per attribute, and because an error says which attribute is broken.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{DefaultNla, Emitable, NLA_F_NESTED, NLA_TYPE_MASK};

/// Where and how a message cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// An attribute's length leads out of the buffer or is shorter than a header.
    #[error("attributes of {0} are cut off")]
    CutOff(&'static str),
    /// The payload does not have the length its type has.
    #[error("{name} is {found} bytes long")]
    Length {
        /// The attribute.
        name: &'static str,
        /// Its length.
        found: usize,
    },
    /// An attribute that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A value that has no meaning.
    #[error("{name} is {value}")]
    Value {
        /// The attribute.
        name: &'static str,
        /// Its value.
        value: u64,
    },
    /// Text that is not UTF-8.
    #[error("{0} is not text")]
    Text(&'static str),
    /// The message around the attributes is broken.
    #[error("{0}")]
    Message(String),
}

/// One attribute as it was received.
#[derive(Clone, Copy, Debug)]
pub struct Attribute<'a> {
    /// Its number, without flag bits.
    pub id: u16,
    /// What it holds.
    pub payload: &'a [u8],
}

/// The attributes of a buffer, in order, read one by one.
#[derive(Clone, Debug)]
pub struct Each<'a> {
    rest: &'a [u8],
    of: &'static str,
}

/// Walks through the attributes of a buffer; an error is the last item.
#[must_use]
pub fn each<'a>(buffer: &'a [u8], of: &'static str) -> Each<'a> {
    Each { rest: buffer, of }
}

impl<'a> Iterator for Each<'a> {
    type Item = Result<Attribute<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let found = first(self.rest);
        // BOUND: every turn takes at least a header of four bytes off, or all of it.
        self.rest = found.map_or(&[], |(_, rest)| rest);
        let attribute = found.map(|(attribute, _)| attribute);
        Some(attribute.ok_or(WireError::CutOff(self.of)))
    }
}

/// The first attribute of a buffer and what follows its padding, which the last one may lack.
fn first(buffer: &[u8]) -> Option<(Attribute<'_>, &[u8])> {
    let [l0, l1, t0, t1] = *buffer.first_chunk::<4>()?;
    let length = usize::from(u16::from_ne_bytes([l0, l1]));
    let attribute = Attribute {
        id: u16::from_ne_bytes([t0, t1]) & NLA_TYPE_MASK,
        payload: buffer.get(4..length)?,
    };
    let rest = buffer.get(length.next_multiple_of(4)..);
    Some((attribute, rest.unwrap_or_default()))
}

/// All attributes of a buffer, in order.
///
/// # Errors
///
/// [`WireError::CutOff`] when the buffer does not hold whole attributes.
pub fn attributes<'a>(buffer: &'a [u8], of: &'static str) -> Result<Vec<Attribute<'a>>, WireError> {
    each(buffer, of).collect()
}

impl Attribute<'_> {
    /// Exactly so many bytes.
    ///
    /// # Errors
    ///
    /// [`WireError::Length`] if it is not that long.
    pub fn array<const N: usize>(&self, name: &'static str) -> Result<[u8; N], WireError> {
        self.payload.try_into().map_err(|_| WireError::Length {
            name,
            found: self.payload.len(),
        })
    }

    /// An unsigned byte.
    ///
    /// # Errors
    ///
    /// [`WireError::Length`] if it is not one byte long; likewise for its wider siblings.
    pub fn u8(&self, name: &'static str) -> Result<u8, WireError> {
        self.array::<1>(name).map(|[byte]| byte)
    }

    /// Sixteen bits in the byte order of the host.
    ///
    /// # Errors
    ///
    /// See [`Attribute::u8`].
    pub fn u16(&self, name: &'static str) -> Result<u16, WireError> {
        self.array(name).map(u16::from_ne_bytes)
    }

    /// Sixteen bits in network order.
    ///
    /// # Errors
    ///
    /// See [`Attribute::u8`].
    pub fn be16(&self, name: &'static str) -> Result<u16, WireError> {
        self.array(name).map(u16::from_be_bytes)
    }

    /// Thirty-two bits in the byte order of the host.
    ///
    /// # Errors
    ///
    /// See [`Attribute::u8`].
    pub fn u32(&self, name: &'static str) -> Result<u32, WireError> {
        self.array(name).map(u32::from_ne_bytes)
    }

    /// Sixty-four bits in the byte order of the host.
    ///
    /// # Errors
    ///
    /// See [`Attribute::u8`].
    pub fn u64(&self, name: &'static str) -> Result<u64, WireError> {
        self.array(name).map(u64::from_ne_bytes)
    }

    /// A counter that is 32 or 64 bits wide, depending on the kernel and the set it stands in.
    ///
    /// # Errors
    ///
    /// See [`Attribute::u8`].
    pub fn count(&self, name: &'static str) -> Result<u64, WireError> {
        match self.payload.len() {
            4 => self.u32(name).map(u64::from),
            _ => self.u64(name),
        }
    }

    /// Text up to its zero byte or, if it has none, to the end.
    ///
    /// # Errors
    ///
    /// [`WireError::Text`] if it is not UTF-8.
    pub fn text(&self, name: &'static str) -> Result<String, WireError> {
        let bytes = self.payload.split(|&byte| byte == 0).next();
        String::from_utf8(bytes.unwrap_or_default().to_vec()).map_err(|_| WireError::Text(name))
    }

    /// An address of a known family in a field that may be as wide as the widest address.
    ///
    /// # Errors
    ///
    /// [`WireError::Length`] if the field is too short for the family.
    pub fn address_of(&self, family: u16, name: &'static str) -> Result<IpAddr, WireError> {
        let short = || WireError::Length {
            name,
            found: self.payload.len(),
        };
        match i32::from(family) {
            libc::AF_INET => {
                let bytes = self.payload.first_chunk::<4>().ok_or_else(short)?;
                Ok(Ipv4Addr::from(*bytes).into())
            }
            libc::AF_INET6 => {
                let bytes = self.payload.first_chunk::<16>().ok_or_else(short)?;
                Ok(Ipv6Addr::from(*bytes).into())
            }
            _ => Err(WireError::Value {
                name: "address family",
                value: family.into(),
            }),
        }
    }

    /// An address whose length tells its family.
    ///
    /// # Errors
    ///
    /// [`WireError::Length`] if it is neither 4 nor 16 bytes long.
    pub fn address(&self, name: &'static str) -> Result<IpAddr, WireError> {
        match self.payload.len() {
            4 => self.array::<4>(name).map(IpAddr::from),
            _ => self.array::<16>(name).map(IpAddr::from),
        }
    }
}

/// The family number of an address.
#[must_use]
pub fn family_of(addr: &IpAddr) -> u16 {
    // CAST: both are small positive numbers.
    match addr {
        IpAddr::V4(_) => libc::AF_INET as u16,
        IpAddr::V6(_) => libc::AF_INET6 as u16,
    }
}

/// Attributes that are being put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Vec<DefaultNla>);

impl Attributes {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The attributes one after the other.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let list = self.0.as_slice();
        let mut bytes = vec![0; list.buffer_len()];
        list.emit(&mut bytes);
        bytes
    }

    /// Appends raw bytes.
    pub fn bytes(&mut self, id: u16, payload: &[u8]) -> &mut Self {
        self.0.push(DefaultNla::new(id, payload.to_vec()));
        self
    }

    /// Appends a byte.
    pub fn u8(&mut self, id: u16, value: u8) -> &mut Self {
        self.bytes(id, &[value])
    }

    /// Appends 16 bits in the byte order of the host.
    pub fn u16(&mut self, id: u16, value: u16) -> &mut Self {
        self.bytes(id, &value.to_ne_bytes())
    }

    /// Appends 16 bits in network order.
    pub fn be16(&mut self, id: u16, value: u16) -> &mut Self {
        self.bytes(id, &value.to_be_bytes())
    }

    /// Appends 32 bits in the byte order of the host.
    pub fn u32(&mut self, id: u16, value: u32) -> &mut Self {
        self.bytes(id, &value.to_ne_bytes())
    }

    /// Appends 64 bits in the byte order of the host.
    pub fn u64(&mut self, id: u16, value: u64) -> &mut Self {
        self.bytes(id, &value.to_ne_bytes())
    }

    /// Appends text and its zero byte.
    pub fn text(&mut self, id: u16, value: &str) -> &mut Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.bytes(id, &bytes)
    }

    /// Appends an address in as many bytes as it has.
    pub fn address(&mut self, id: u16, addr: &IpAddr) -> &mut Self {
        match addr {
            IpAddr::V4(addr) => self.bytes(id, &addr.octets()),
            IpAddr::V6(addr) => self.bytes(id, &addr.octets()),
        }
    }

    /// Appends an address in 16 bytes, as `union nf_inet_addr` has them.
    pub fn wide_address(&mut self, id: u16, addr: &IpAddr) -> &mut Self {
        let mut bytes = [0; 16];
        match addr {
            IpAddr::V4(addr) => bytes[..4].copy_from_slice(&addr.octets()),
            IpAddr::V6(addr) => bytes = addr.octets(),
        }
        self.bytes(id, &bytes)
    }

    /// Appends a nest.
    pub fn nest(&mut self, id: u16, inner: &Attributes) -> &mut Self {
        self.bytes(id | NLA_F_NESTED, &inner.to_bytes())
    }
}
