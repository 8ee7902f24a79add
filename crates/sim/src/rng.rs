//! SplitMix64: all the randomness there is, from one number.

/// A stream of numbers that a seed fixes.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Another stream, so that one part of the simulation does not shift the numbers of another.
    pub(crate) const fn fork(&mut self) -> Self {
        Self(self.next())
    }

    /// A number in `from..to`; `from` when the range is empty.
    pub(crate) const fn range(&mut self, from: u64, to: u64) -> u64 {
        let number = self.next();
        if to > from { from + number % (to - from) } else { from }
    }

    /// An index below `count`.
    pub(crate) const fn index(&mut self, count: usize) -> usize {
        self.range(0, count as u64) as usize
    }

    /// True `percent` times in a hundred.
    pub(crate) const fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    /// A number from 0 up to, and without, 1.
    pub(crate) const fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// One of these, if there is any.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let index = self.index(items.len());
        items.get(index)
    }

    pub(crate) fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&self.next().to_le_bytes());
        }
        bytes
    }
}
