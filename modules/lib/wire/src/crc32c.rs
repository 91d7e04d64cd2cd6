// SPDX-License-Identifier: GPL-2.0

//! The checksum of SCTP (RFC 9260, appendix A), and how it changes with the ports.
//!
//! A CRC is the remainder of a division of polynomials, so that the CRCs of two packets of one length
//! differ by the remainder of their difference. Ports are followed by thousands of bytes that do not
//! change; in the difference these are zeroes, and to append `n` of them is to multiply by x^(8n). That
//! takes a number of steps that grows with the logarithm of `n`, and reads no byte of the packet.
//!
//! Polynomials lie with their highest power in the lowest bit, as CRC32c has it.
//!
//! Kernel counterpart: `crc32c()`, over the whole packet.

/// x^32 modulo the polynomial.
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// x^0.
const ONE: u32 = 1 << 31;

/// A polynomial times x.
const fn times_x(value: u32) -> u32 {
    // The highest power is in the lowest bit: all ones if it is there.
    (value >> 1) ^ (POLYNOMIAL & 0u32.wrapping_sub(value & 1))
}

/// The product of two polynomials.
const fn product(a: u32, b: u32) -> u32 {
    let (mut a, mut b, mut sum) = (a, b, 0);
    // BOUND: 32 bits.
    while a != 0 {
        // x^0 comes first, in the highest bit.
        if a & ONE != 0 {
            sum ^= b;
        }
        a <<= 1;
        b = times_x(b);
    }
    sum
}

/// What each byte leaves.
static REMAINDERS: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        // CAST: Below 256.
        let mut remainder = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            remainder = times_x(remainder);
            bit += 1;
        }
        table[byte] = remainder;
        byte += 1;
    }
    table
};

/// x^8, squared again and again: what a byte appends, two, four and so on.
static POWERS: [u32; 32] = {
    let mut table = [ONE >> 8; 32];
    let mut at = 1;
    while at < table.len() {
        table[at] = product(table[at - 1], table[at - 1]);
        at += 1;
    }
    table
};

/// The checksum of bytes whose checksum field is zero, as it lies in the packet.
pub fn of(bytes: &[u8]) -> [u8; 4] {
    // BOUND: The bytes given.
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        // CAST: The byte that is divided next.
        let at = usize::from(crc as u8 ^ byte);
        (crc >> 8) ^ REMAINDERS.get(at).copied().unwrap_or(0)
    });
    (!crc).to_le_bytes()
}

/// The checksum field after four bytes of the packet were replaced that `after` bytes follow. A
/// checksum that was wrong stays wrong.
pub fn replaced(old: [u8; 4], new: [u8; 4], after: usize, field: [u8; 4]) -> [u8; 4] {
    let mut difference = u32::from_le_bytes(old) ^ u32::from_le_bytes(new);
    // The four bytes have their own place to pass, too.
    let mut zeroes = after.saturating_add(old.len());
    // BOUND: One round for each bit of the length; a packet is shorter than 4 GiB.
    for &power in &POWERS {
        if zeroes & 1 != 0 {
            difference = product(power, difference);
        }
        zeroes >>= 1;
        if zeroes == 0 {
            break;
        }
    }
    (u32::from_le_bytes(field) ^ difference).to_le_bytes()
}
