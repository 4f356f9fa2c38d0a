//! The QR code with the address of the citizen's page (ISO/IEC 18004), error correction M. Deterministic: the mask is
//! fixed, so that no mask is scored. Holds no personal data: only the address with the verification number.

mod matrix;
mod reed_solomon;

use matrix::Matrix;

/// The modules of a QR code without its quiet zone (four modules on each side, the page's matter).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QrCode {
    /// Modules on each side.
    pub side: usize,
    /// Row by row: the dark stretches as first module and count.
    pub rows: Vec<Vec<(usize, usize)>>,
}

/// The text does not fit into a QR code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes do not fit into a QR code")]
pub struct TooLong {
    /// How many there were.
    pub bytes: usize,
}

/// Error correction M, by version from 1: codewords of correction in a block, and blocks (table 9).
const LEVEL_M: [(usize, usize); 40] = [
    (10, 1),
    (16, 1),
    (26, 1),
    (18, 2),
    (24, 2),
    (16, 4),
    (18, 4),
    (22, 4),
    (22, 5),
    (26, 5),
    (30, 5),
    (22, 8),
    (22, 9),
    (24, 9),
    (24, 10),
    (28, 10),
    (28, 11),
    (26, 13),
    (26, 14),
    (26, 16),
    (26, 17),
    (28, 17),
    (28, 18),
    (28, 20),
    (28, 21),
    (28, 23),
    (28, 25),
    (28, 26),
    (28, 28),
    (28, 29),
    (28, 31),
    (28, 33),
    (28, 35),
    (28, 37),
    (28, 38),
    (28, 40),
    (28, 43),
    (28, 45),
    (28, 47),
    (28, 49),
];

/// Indicator of byte mode (table 2).
const BYTE_MODE: u32 = 0b0100;

/// A version with what it holds.
#[derive(Debug, Clone, Copy)]
struct Version {
    number: usize,
    correction: usize,
    blocks: usize,
}

impl Version {
    /// The smallest that holds `bytes` bytes.
    fn for_bytes(bytes: usize) -> Option<Self> {
        let versions = LEVEL_M.iter().zip(1..);
        let mut versions =
            versions.map(|(&(correction, blocks), number)| Self { number, correction, blocks });
        versions.find(|version| 4 + version.count_bits() + 8 * bytes <= 8 * version.data_codewords())
    }

    /// Bits of the count in byte mode (table 3).
    const fn count_bits(self) -> usize {
        if self.number < 10 { 8 } else { 16 }
    }

    /// All codewords: the modules that are left for them, in bytes (table 1).
    const fn codewords(self) -> usize {
        let mut modules = (16 * self.number + 128) * self.number + 64;
        if self.number >= 2 {
            let alignments = self.number / 7 + 2;
            modules -= (25 * alignments - 10) * alignments - 55;
            if self.number >= 7 {
                modules -= 36;
            }
        }
        modules / 8
    }

    const fn data_codewords(self) -> usize {
        self.codewords() - self.correction * self.blocks
    }
}

/// The QR code of `text` in byte mode with error correction M and mask 000.
pub fn encode(text: &str) -> Result<QrCode, TooLong> {
    let version = Version::for_bytes(text.len()).ok_or(TooLong { bytes: text.len() })?;
    let data = data_codewords(text.as_bytes(), version);
    let matrix = Matrix::new(version.number).fill(&interleaved(&data, version));
    let rows = matrix.rows().map(|row| stretches(row.iter().map(|module| module.is_dark()))).collect();
    Ok(QrCode { side: matrix.side(), rows })
}

/// Mode, count, bytes, terminator, padding (7.4).
fn data_codewords(bytes: &[u8], version: Version) -> Vec<u8> {
    let size = version.data_codewords();
    let mut codewords = Vec::with_capacity(size + 1);
    // The mode takes four bits, so every byte lies across two codewords.
    let mut carried = BYTE_MODE as u8;
    let mut push = |byte: u8| {
        codewords.push((carried << 4) | (byte >> 4));
        carried = byte & 0x0f;
    };
    let count = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
    count.into_iter().skip(2 - version.count_bits() / 8).for_each(&mut push);
    bytes.iter().copied().for_each(&mut push);
    push(0);
    codewords.truncate(size);
    let padding = [0xec, 0x11].into_iter().cycle().take(size - codewords.len());
    codewords.extend(padding);
    codewords
}

/// Blocks of data with their correction, codeword by codeword from each in turn (7.6).
fn interleaved(data: &[u8], version: Version) -> Vec<u8> {
    let Version { correction, blocks, .. } = version;
    let (short, longer) = (data.len() / blocks, data.len() % blocks);
    let divisor = reed_solomon::divisor(correction);
    let mut rest = data;
    let mut parts = Vec::with_capacity(blocks);
    for block in 0..blocks {
        let length = short + usize::from(block >= blocks - longer);
        let (part, after) = rest.split_at(length.min(rest.len()));
        parts.push((part, reed_solomon::remainder(part, &divisor)));
        rest = after;
    }
    let mut codewords = Vec::with_capacity(version.codewords());
    for at in 0..=short {
        codewords.extend(parts.iter().filter_map(|(part, _)| part.get(at)));
    }
    for at in 0..correction {
        codewords.extend(parts.iter().filter_map(|(_, correction)| correction.get(at)));
    }
    codewords
}

fn stretches(modules: impl Iterator<Item = bool>) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (at, _) in modules.enumerate().filter(|(_, dark)| *dark) {
        match found.last_mut() {
            Some((first, count)) if *first + *count == at => *count += 1,
            _ => found.push((at, 1)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dark_stretches_are_the_modules() {
        let row = [true, true, false, true, false, false, true];
        assert_eq!(stretches(row.into_iter()), [(0, 2), (3, 1), (6, 1)]);
    }

    #[test]
    fn the_same_address_gives_the_same_code_with_its_three_finders() {
        let code = encode("https://stammbuch.example/v/0123456789ABCDEFGHJKMNPQRSTV").unwrap();
        assert_eq!(Ok(code.clone()), encode("https://stammbuch.example/v/0123456789ABCDEFGHJKMNPQRSTV"));
        assert_eq!(code.rows.len(), code.side);
        assert_eq!(code.rows[0][0], (0, 7), "top left");
        assert_eq!(code.rows[0].last(), Some(&(code.side - 7, 7)), "top right");
        assert_eq!(code.rows[code.side - 1][0], (0, 7), "bottom left");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(encode(&"x".repeat(2331)).is_ok());
        assert_eq!(encode(&"x".repeat(2332)), Err(TooLong { bytes: 2332 }));
    }

    /// The second opinion: module by module what fast_qr makes, in every version and at the limits of each.
    #[test]
    fn an_encoder_that_we_did_not_write_makes_the_same() {
        let limits = (1..=2331).filter(|n| {
            let version = |n| Version::for_bytes(n).map(|version| version.number);
            *n < 120 || version(*n) != version(n + 1) || version(*n) != version(n - 1)
        });
        for length in limits {
            let text: String = ('!'..='~').cycle().skip(length % 7).take(length).collect();
            let ours = encode(&text).unwrap();
            let theirs = fast_qr::QRBuilder::new(text)
                .ecl(fast_qr::ECL::M)
                .mode(fast_qr::Mode::Byte)
                .mask(fast_qr::Mask::Checkerboard)
                .build()
                .unwrap();
            assert_eq!(ours.side, theirs.size, "{length} bytes");
            for (row, modules) in theirs.data.chunks(theirs.size).take(theirs.size).enumerate() {
                let theirs = stretches(modules.iter().map(|module| module.value()));
                assert_eq!(ours.rows[row], theirs, "{length} bytes, row {row}");
            }
        }
    }
}
