//! The QR code with the address of the citizen's page. Deterministic: the mask is fixed.
//! Holds no personal data: only the address with the verification number.

use fast_qr::{ECL, Mask, QRBuilder};

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

/// The QR code of `text` with error correction M.
pub fn encode(text: &str) -> Result<QrCode, TooLong> {
    let code = QRBuilder::new(text)
        .ecl(ECL::M)
        .mask(Mask::Checkerboard)
        .build()
        .map_err(|_| TooLong { bytes: text.len() })?;
    let side = code.size;
    let rows = (0..side)
        .map(|row| stretches(code.data.iter().skip(row * side).take(side).map(|module| module.value())))
        .collect();
    Ok(QrCode { side, rows })
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
        assert_eq!(encode(&"x".repeat(3000)), Err(TooLong { bytes: 3000 }));
    }
}
