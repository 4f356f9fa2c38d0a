//! The square of modules: patterns that are always there, then the codewords in their zigzag, masked by 000
//! (ISO/IEC 18004, 6.3, 7.7, 7.8). Knows no text.

/// Format information of error correction M with mask 000, masked itself (7.9, annex C).
const FORMAT: u32 = 0x5412;
/// Generator of the version information's correction (annex D).
const VERSION_GENERATOR: u32 = 0x1f25;

/// A module of the square.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Module {
    /// Awaits a bit of a codeword.
    Free,
    /// A bit of a codeword.
    Data(bool),
    /// Part of a pattern or of the information about the code.
    Fixed(bool),
}

impl Module {
    pub(super) const fn is_dark(self) -> bool {
        matches!(self, Self::Data(true) | Self::Fixed(true))
    }
}

/// The modules, row by row.
pub(super) struct Matrix {
    side: usize,
    modules: Vec<Module>,
}

impl Matrix {
    /// A square with its patterns; the codewords are missing.
    pub(super) fn new(version: usize) -> Self {
        let side = 17 + 4 * version;
        let mut matrix = Self { side, modules: vec![Module::Free; side * side] };
        for at in 0..side {
            matrix.fix((6, at), at % 2 == 0);
            matrix.fix((at, 6), at % 2 == 0);
        }
        for corner in [(0, 0), (side - 7, 0), (0, side - 7)] {
            matrix.finder(corner);
        }
        matrix.alignments(version);
        matrix.format();
        if version >= 7 {
            matrix.version(version);
        }
        matrix
    }

    pub(super) const fn side(&self) -> usize {
        self.side
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &[Module]> {
        self.modules.chunks(self.side)
    }

    fn at(&mut self, (x, y): (usize, usize)) -> Option<&mut Module> {
        if x < self.side { self.modules.get_mut(y * self.side + x) } else { None }
    }

    fn fix(&mut self, place: (usize, usize), dark: bool) {
        if let Some(module) = self.at(place) {
            *module = Module::Fixed(dark);
        }
    }

    /// A finder pattern with its light border, as far as that lies inside.
    fn finder(&mut self, (left, top): (usize, usize)) {
        for y in 0..9_usize {
            for x in 0..9_usize {
                let from_middle = x.abs_diff(4).max(y.abs_diff(4));
                let place = (left + x).checked_sub(1).zip((top + y).checked_sub(1));
                if let Some(place) = place {
                    self.fix(place, !matches!(from_middle, 2 | 4));
                }
            }
        }
    }

    /// Alignment patterns, but where a finder stands (annex E).
    fn alignments(&mut self, version: usize) {
        if version < 2 {
            return;
        }
        let count = version / 7 + 2;
        let step = (version * 8 + count * 3 + 5) / (count * 4 - 4) * 2;
        let last = self.side - 7;
        let mut centres: Vec<usize> = (0..count - 1).map(|nth| last - nth * step).collect();
        centres.push(6);
        let finders = [(6, 6), (6, last), (last, 6)];
        for &x in &centres {
            for &y in centres.iter().filter(|y| !finders.contains(&(x, **y))) {
                for (dx, dy) in (0..25).map(|nth| (nth % 5, nth / 5)) {
                    let ring = 2_usize.abs_diff(dx).max(2_usize.abs_diff(dy));
                    self.fix((x + dx - 2, y + dy - 2), ring != 1);
                }
            }
        }
    }

    /// The format information, twice, and the module that is always dark.
    fn format(&mut self) {
        let side = self.side;
        let bit = |nth: usize| (FORMAT >> nth) & 1 == 1;
        for nth in 0..6 {
            self.fix((8, nth), bit(nth));
            self.fix((5 - nth, 8), bit(9 + nth));
        }
        for (place, nth) in [((8, 7), 6), ((8, 8), 7), ((7, 8), 8)] {
            self.fix(place, bit(nth));
        }
        for nth in 0..8 {
            self.fix((side - 1 - nth, 8), bit(nth));
        }
        for nth in 8..15 {
            self.fix((8, side - 15 + nth), bit(nth));
        }
        self.fix((8, side - 8), true);
    }

    /// The version information, twice.
    fn version(&mut self, version: usize) {
        let number = u32::try_from(version).unwrap_or_default();
        let correction = (0..12).fold(number, |rest, _| (rest << 1) ^ ((rest >> 11) * VERSION_GENERATOR));
        let bits = (number << 12) | correction;
        for nth in 0..18 {
            let (dark, a, b) = ((bits >> nth) & 1 == 1, self.side - 11 + nth % 3, nth / 3);
            self.fix((a, b), dark);
            self.fix((b, a), dark);
        }
    }

    /// Writes the codewords, two columns at a time from the right, upwards and downwards in turn.
    pub(super) fn fill(mut self, codewords: &[u8]) -> Self {
        let mut bits = codewords.iter().flat_map(|byte| (0..8).rev().map(move |nth| (byte >> nth) & 1 == 1));
        let side = self.side;
        let pairs = (0..side / 2).map(|nth| side - 1 - 2 * nth).map(|right| right - usize::from(right <= 6));
        for (right, upwards) in pairs.zip([true, false].into_iter().cycle()) {
            for row in 0..side {
                let y = if upwards { side - 1 - row } else { row };
                for x in [right, right.saturating_sub(1)] {
                    if let Some(module) = self.at((x, y))
                        && *module == Module::Free
                    {
                        // Where no bit is left a light module stands, masked as all others.
                        *module = Module::Data(bits.next().unwrap_or_default() ^ ((x + y) % 2 == 0));
                    }
                }
            }
        }
        self
    }
}
