// SPDX-License-Identifier: GPL-2.0
//! Interfaces and the way their packets take.

use flow_abi::{detour, interface};

use super::attr::{attributes, each, Attribute, Attributes, WireError};

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// What is best, as the engine finds.
    #[default]
    Automatic,
    /// No fast path.
    Off,
    /// Where the driver hands packets to the stack.
    Ingress,
    /// In the driver.
    Xdp,
}

/// The fast path an interface has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// None.
    Off,
    /// Where the driver hands packets to the stack.
    Ingress,
    /// In the driver.
    Xdp,
}

impl Wish {
    /// All of them, by number.
    pub const ALL: [Wish; 4] = [Wish::Automatic, Wish::Off, Wish::Ingress, Wish::Xdp];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Wish::Automatic => "auto",
            Wish::Off => "off",
            Wish::Ingress => "ingress",
            Wish::Xdp => "xdp",
        }
    }

    fn number(self) -> u8 {
        match self {
            Wish::Automatic => 0,
            Wish::Off => 1,
            Wish::Ingress => 2,
            Wish::Xdp => 3,
        }
    }
}

impl Mode {
    /// All of them, by number.
    pub const ALL: [Mode; 3] = [Mode::Off, Mode::Ingress, Mode::Xdp];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Mode::Off => "off",
            Mode::Ingress => "ingress",
            Mode::Xdp => "xdp",
        }
    }
}

/// Packets that took the long way for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detour {
    /// The reason.
    pub name: String,
    /// How many.
    pub packets: u64,
}

impl Detour {
    fn parse(nest: &[u8]) -> Result<Self, WireError> {
        let found = attributes(nest, "detour")?;
        let find = |wanted| found.iter().find(|attribute| attribute.id == wanted);
        Ok(Self {
            name: find(detour::NAME)
                .ok_or(WireError::Missing("reason of a detour"))?
                .text("reason of a detour")?,
            packets: find(detour::VALUE)
                .ok_or(WireError::Missing("packets of a detour"))?
                .u64("packets of a detour")?,
        })
    }
}

/// An interface and how its packets fare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// The fast path it has.
    pub mode: Mode,
    /// What was asked for.
    pub wish: Wish,
    /// Whether its driver can run XDP programs that redirect packets.
    pub native_xdp: bool,
    /// Packets that took the fast path.
    pub hits: u64,
    /// Those of them that an XDP program has forwarded.
    pub xdp_hits: u64,
    /// Packets that belong to no flow.
    pub misses: u64,
    /// Frames of no flow that the XDP program has left to what comes behind.
    pub xdp_misses: u64,
    /// Packets that belong to a flow, or may, and took the long way.
    pub detours: Vec<Detour>,
    /// Packets that the XDP program has left to what comes behind, where they may still have taken the fast
    /// path.
    pub xdp_detours: Vec<Detour>,
    /// Why it has no fast path.
    pub reason: Option<String>,
}

/// All interfaces, and what holds for those that nothing else was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FastPaths {
    /// What was asked for all.
    pub wish: Wish,
    /// Flows that packets may belong to, if the kernel says.
    pub flows: Option<u32>,
    /// The interfaces, in the kernel's order.
    pub interfaces: Vec<Interface>,
}

impl Interface {
    /// The nest that asks for a fast path.
    #[must_use]
    pub fn attributes(index: u32, wish: Wish) -> Attributes {
        let mut out = Attributes::new();
        out.u32(interface::IFINDEX, index)
            .u8(interface::CONFIGURED, wish.number());
        out
    }
}

impl FastPaths {
    /// Takes in the nest INTERFACE of one message.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the nest is damaged or incomplete, or a number has no meaning.
    pub fn add(&mut self, nest: &[u8]) -> Result<(), WireError> {
        let found = attributes(nest, "interface")?;
        let find = |wanted| found.iter().find(|attribute| attribute.id == wanted);
        let need = |wanted, name| find(wanted).ok_or(WireError::Missing(name));
        let wish = need(interface::CONFIGURED, "wanted mode")?;
        let wish = choice(&Wish::ALL, "wanted mode", wish)?;
        let index = need(interface::IFINDEX, "interface number")?.u32("interface number")?;
        if index == 0 {
            let flows = find(interface::FLOWS).map(|flows| flows.u32("flows"));
            (self.wish, self.flows) = (wish, flows.transpose()?);
            return Ok(());
        }
        let count = |wanted, name| find(wanted).map_or(Ok(0), |value| value.u64(name));
        let (mut detours, mut xdp_detours) = (Vec::new(), Vec::new());
        for attribute in each(nest, "interface") {
            let attribute = attribute?;
            match attribute.id {
                interface::DETOUR => detours.push(Detour::parse(attribute.payload)?),
                interface::XDP_DETOUR => xdp_detours.push(Detour::parse(attribute.payload)?),
                _ => {}
            }
        }
        let reason = find(interface::REASON).map(|reason| reason.text("reason"));
        self.interfaces.push(Interface {
            index,
            name: need(interface::NAME, "interface name")?.text("interface name")?,
            mode: choice(&Mode::ALL, "mode", need(interface::MODE, "mode")?)?,
            wish,
            native_xdp: find(interface::NATIVE_XDP).is_some(),
            hits: count(interface::HITS, "hits")?,
            xdp_hits: count(interface::XDP_HITS, "hits of XDP")?,
            misses: count(interface::MISSES, "misses")?,
            xdp_misses: count(interface::XDP_MISSES, "misses of XDP")?,
            detours,
            xdp_detours,
            reason: reason.transpose()?,
        });
        Ok(())
    }
}

fn choice<T: Copy>(
    all: &[T],
    name: &'static str,
    attribute: &Attribute<'_>,
) -> Result<T, WireError> {
    let number = attribute.u8(name)?;
    let value = u64::from(number);
    let found = all.get(usize::from(number)).copied();
    found.ok_or(WireError::Value { name, value })
}
