//! Logarithms without floats, so that every node gets the same bits.

/// Fraction bits of a fixed-point number here.
pub(crate) const FRACTION: u32 = 32;

/// The binary logarithm of a positive number in fixed point, in fixed point, rounded down to the
/// last bit but one or two. 0 for 0 and for everything up to 1.
pub(crate) fn log2(value: u64) -> u64 {
    log2_wide(u128::from(value).wrapping_shl(FRACTION))
}

/// The same for a number that is in fixed point already.
fn log2_wide(value: u128) -> u64 {
    let Some(top) = value.checked_ilog2() else { return 0 };
    let Some(whole) = top.checked_sub(FRACTION) else { return 0 };
    // Between 1 and 2, with 62 bits behind the point, so that a square fits.
    let shift = top.abs_diff(62);
    let mut rest = if top >= 62 { value.wrapping_shr(shift) } else { value.wrapping_shl(shift) };
    let mut fraction = 0_u64;
    for _ in 0..FRACTION {
        // Squaring doubles the logarithm; its next bit is whether the square passes 2.
        rest = rest.saturating_mul(rest).wrapping_shr(62);
        let bit = rest.checked_ilog2().is_some_and(|top| top >= 63);
        fraction = fraction.wrapping_shl(1) | u64::from(bit);
        if bit {
            rest = rest.wrapping_shr(1);
        }
    }
    u64::from(whole).wrapping_shl(FRACTION) | fraction
}

/// Minus the binary logarithm of `hash / 2^64`, in fixed point: how unlikely a hash so small is.
/// At least one bit, so that it can be divided by.
pub(crate) fn surprise(hash: u64) -> u64 {
    let log = log2(hash.max(1));
    64_u64.wrapping_shl(FRACTION).saturating_sub(log).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One, in fixed point.
    const ONE: u64 = 1 << FRACTION;

    fn float(fixed: u64) -> f64 {
        fixed as f64 / ONE as f64
    }

    #[test]
    fn logarithms_are_those_of_the_library() {
        for value in
            [1_u64, 2, 3, 7, 8, 10, 100, 1_000, 1 << 20, 999_999_999, u64::MAX / 3, u64::MAX]
        {
            let (ours, theirs) = (float(log2(value)), (value as f64).log2());
            assert!((ours - theirs).abs() < 1e-6, "{value}: {ours} {theirs}");
        }
        assert_eq!(log2(0), 0);
        assert_eq!(log2(1), 0);
        assert_eq!(log2(1024), 10 * ONE);
    }

    #[test]
    fn small_hashes_are_surprising() {
        assert_eq!(surprise(1 << 63), ONE);
        assert_eq!(surprise(0), 64 * ONE);
        assert!(surprise(u64::MAX) >= 1);
        assert!(surprise(1 << 40) > surprise(1 << 50));
    }
}
