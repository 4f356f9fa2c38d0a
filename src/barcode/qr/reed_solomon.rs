//! Reed–Solomon correction over GF(256) with the polynomial 0x11d (ISO/IEC 18004, 7.5). Knows no QR code.

use std::sync::LazyLock;

/// Powers of 2, twice around, and their exponents.
struct Field {
    powers: [u8; 512],
    exponents: [u8; 256],
}

static FIELD: LazyLock<Field> = LazyLock::new(|| {
    let (mut powers, mut exponents) = ([0; 512], [0; 256]);
    let mut power: u8 = 1;
    for (exponent, place) in powers.iter_mut().enumerate() {
        *place = power;
        if let (Some(known), Ok(exponent)) = (exponents.get_mut(usize::from(power)), u8::try_from(exponent))
            && exponent < 255
        {
            *known = exponent;
        }
        power = (power << 1) ^ if power & 0x80 == 0 { 0 } else { 0x1d };
    }
    Field { powers, exponents }
});

impl Field {
    fn exponent(&self, value: u8) -> usize {
        self.exponents.get(usize::from(value)).copied().map_or(0, usize::from)
    }

    fn power(&self, exponent: usize) -> u8 {
        self.powers.get(exponent).copied().unwrap_or_default()
    }

    fn times(&self, a: u8, b: u8) -> u8 {
        if a == 0 || b == 0 { 0 } else { self.power(self.exponent(a) + self.exponent(b)) }
    }
}

/// The generator polynomial of `degree`, without its leading 1.
pub(super) fn divisor(degree: usize) -> Vec<u8> {
    let field = &*FIELD;
    let mut divisor = vec![0; degree];
    if let Some(last) = divisor.last_mut() {
        *last = 1;
    }
    for root in 0..degree {
        let root = field.power(root);
        let next: Vec<u8> = divisor.iter().skip(1).copied().chain([0]).collect();
        for (coefficient, next) in divisor.iter_mut().zip(next) {
            *coefficient = field.times(*coefficient, root) ^ next;
        }
    }
    divisor
}

/// What remains of `data` divided by `divisor`: the codewords of correction.
pub(super) fn remainder(data: &[u8], divisor: &[u8]) -> Vec<u8> {
    let field = &*FIELD;
    let mut remainder = vec![0; divisor.len()];
    for byte in data {
        let factor = byte ^ remainder.first().copied().unwrap_or_default();
        remainder.rotate_left(1);
        if let Some(last) = remainder.last_mut() {
            *last = 0;
        }
        if factor == 0 {
            continue;
        }
        let factor = field.exponent(factor);
        for (place, coefficient) in remainder.iter_mut().zip(divisor) {
            // No coefficient of a generator is 0.
            *place ^= field.power(field.exponent(*coefficient) + factor);
        }
    }
    remainder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_of_degree_10_is_that_of_the_standard() {
        let expected = [216, 194, 159, 111, 199, 94, 95, 113, 157, 193];
        assert_eq!(divisor(10), expected);
        for degree in 1..=30 {
            assert!(divisor(degree).iter().all(|coefficient| *coefficient != 0), "degree {degree}");
        }
    }

    #[test]
    fn data_with_its_correction_leaves_no_remainder() {
        let (data, divisor) = (b"Geburtsurkunde", divisor(18));
        let whole = [&data[..], &remainder(data, &divisor)].concat();
        assert_eq!(remainder(&whole, &divisor), [0; 18]);
    }
}
