//! Quantities as people write them (`100m`, `1.5Gi`, `2h`), exactly: whole numbers throughout, and
//! where something has to be rounded, it is rounded up.

use std::num::NonZeroU64;

use thiserror::Error;

use crate::problem::excerpt;

/// Milliseconds in an hour.
const HOUR_MS: u128 = 3_600_000;
/// The longest duration, one year, in milliseconds.
pub const DURATION_MAX_MS: u64 = 365 * 24 * 3_600_000;
/// Digits of a number, before and after its point together.
const DIGITS_MAX: usize = 27;
/// Digits after the point.
const SCALE_MAX: usize = 18;

/// Why a text is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QuantityError {
    /// No processor share.
    #[error("`{0}` is no share of processors; write `0.5` or `500m` for half of one")]
    Cpu(String),
    /// Finer than what is scheduled.
    #[error(
        "`{0}` is finer than a thousandth of a processor; write whole thousandths, such as `100m`"
    )]
    CpuFine(String),
    /// No number of bytes.
    #[error("`{0}` is no number of bytes; write `512Mi`, `1.5Gi`, `10G` or a plain number")]
    Bytes(String),
    /// No duration.
    #[error(
        "`{0}` is no duration; write a whole number and s, min, h, d, w, mon or y, such as `12h`"
    )]
    Duration(String),
    /// Out of range.
    #[error("`{0}` is not between 1s and 1y")]
    DurationRange(String),
    /// No amount.
    #[error(
        "`{0}` is no amount; write a positive number such as `25` or `0.5`, with up to 18 decimals"
    )]
    Amount(String),
    /// No bandwidth.
    #[error("`{0}` is no bandwidth; write `100mbps`, `1gbps` or a number of bits per second")]
    Bandwidth(String),
    /// More than can be counted.
    #[error("`{0}` is more than can be counted")]
    Huge(String),
}

/// A number with a point in it: `digits / 10^scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    digits: u128,
    scale: u32,
}

impl Decimal {
    /// Reads digits with at most one point; no sign, no exponent.
    pub fn read(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let has_point = text.contains('.');
        if whole.is_empty()
            || (has_point && fraction.is_empty())
            || !plain(whole)
            || !plain(fraction)
        {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        let length = whole.len().saturating_add(fraction.len());
        if fraction.len() > SCALE_MAX || length > DIGITS_MAX {
            return None;
        }
        let digits = format!("{whole}{fraction}").parse().ok()?;
        Some(Self { digits, scale: u32::try_from(fraction.len()).ok()? })
    }

    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.digits == 0
    }

    fn power(self) -> Option<u128> {
        10_u128.checked_pow(self.scale)
    }

    /// `self * factor`, rounded up, and whether it had to be.
    fn times(self, factor: u128) -> Option<(u128, bool)> {
        let (product, power) = (self.digits.checked_mul(factor)?, self.power()?);
        let is_rounded = product.checked_rem(power)? != 0;
        Some((product.div_ceil(power), is_rounded))
    }
}

/// Thousandths of a processor: `100m`, `0.5`, `4`.
///
/// # Errors
/// When it is something else, or finer than a thousandth.
pub fn cpu(text: &str) -> Result<u64, QuantityError> {
    let wrong = || QuantityError::Cpu(excerpt(text));
    let (number, factor) = match text.strip_suffix('m') {
        Some(number) => (number, 1),
        None => (text, 1_000),
    };
    let decimal = Decimal::read(number).ok_or_else(wrong)?;
    let (milli, is_rounded) = decimal.times(factor).ok_or_else(wrong)?;
    if is_rounded {
        return Err(QuantityError::CpuFine(excerpt(text)));
    }
    u64::try_from(milli).map_err(|_| QuantityError::Huge(excerpt(text)))
}

const BYTES: [(&str, u128); 13] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("Pi", 1 << 50),
    ("Ei", 1 << 60),
    ("k", 1_000),
    ("K", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000),
];

/// Bytes: `128Mi` (powers of 1,024), `1.5G` (powers of 1,000), `1048576`. A part of a byte counts
/// as one.
///
/// # Errors
/// When it is something else.
pub fn bytes(text: &str) -> Result<u64, QuantityError> {
    let suffixed = BYTES
        .iter()
        .find_map(|(suffix, factor)| text.strip_suffix(suffix).map(|number| (number, *factor)));
    let (number, factor) = suffixed.unwrap_or((text, 1));
    let decimal = Decimal::read(number).ok_or_else(|| QuantityError::Bytes(excerpt(text)))?;
    let huge = || QuantityError::Huge(excerpt(text));
    let (bytes, _) = decimal.times(factor).ok_or_else(huge)?;
    u64::try_from(bytes).map_err(|_| huge())
}

/// Bits per second: `100mbps`, `1.5gbps`, `64kbps`, `1000`.
///
/// # Errors
/// When it is something else.
pub fn bandwidth(text: &str) -> Result<u64, QuantityError> {
    let small = text.to_ascii_lowercase();
    let units = [("kbps", 1_000), ("mbps", 1_000_000), ("gbps", 1_000_000_000), ("bps", 1)];
    let suffixed =
        units.iter().find_map(|(unit, factor)| small.strip_suffix(unit).map(|n| (n, *factor)));
    let (number, factor) = suffixed.unwrap_or((&small, 1));
    let wrong = || QuantityError::Bandwidth(excerpt(text));
    let decimal = Decimal::read(number).filter(|decimal| !decimal.is_zero()).ok_or_else(wrong)?;
    let huge = || QuantityError::Huge(excerpt(text));
    let (bits, _) = decimal.times(factor).ok_or_else(huge)?;
    u64::try_from(bits).map_err(|_| huge())
}

/// A duration from one second to one year, in milliseconds. A month is 30 days, a year 365.
///
/// # Errors
/// When it is something else.
pub fn duration(text: &str) -> Result<u64, QuantityError> {
    let wrong = || QuantityError::Duration(excerpt(text));
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(at);
    let seconds: u64 = match unit {
        "s" | "sec" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        "mon" => 30 * 86_400,
        "y" => 365 * 86_400,
        _ => return Err(wrong()),
    };
    if number.is_empty() {
        return Err(wrong());
    }
    let ms = number.parse::<u64>().ok().and_then(|n| n.checked_mul(seconds)?.checked_mul(1_000));
    ms.filter(|ms| (1_000..=DURATION_MAX_MS).contains(ms))
        .ok_or_else(|| QuantityError::DurationRange(excerpt(text)))
}

/// Blocks that a duration takes, rounded up.
pub const fn blocks(ms: u64, block_time: NonZeroU64) -> u64 {
    ms.div_ceil(block_time.get())
}

/// An amount of money per block or hour.
///
/// # Errors
/// When it is no positive number.
pub fn amount(text: &str) -> Result<Decimal, QuantityError> {
    let decimal = Decimal::read(text).filter(|decimal| !decimal.is_zero());
    decimal.ok_or_else(|| QuantityError::Amount(excerpt(text)))
}

/// What a price is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// A block, as in SDL.
    Block,
    /// An hour, as in ICL.
    Hour,
}

/// A price in motes per block, rounded up to a whole mote: `amount` of something that is worth
/// `rate` motes. `None` when it is more than can be counted.
pub fn motes_per_block(
    amount: Decimal,
    rate: Decimal,
    per: Per,
    block_time: NonZeroU64,
) -> Option<u128> {
    let (above, below) = match per {
        Per::Block => (1, 1),
        Per::Hour => (u128::from(block_time.get()), HOUR_MS),
    };
    let above = amount.digits.checked_mul(rate.digits)?.checked_mul(above)?;
    let below = amount.power()?.checked_mul(rate.power()?)?.checked_mul(below)?;
    (below != 0).then(|| above.div_ceil(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::read(text).unwrap()
    }

    #[test]
    fn shares_of_processors_are_exact() {
        let good = [
            ("100m", 100),
            ("0.1", 100),
            ("1", 1_000),
            ("0.001", 1),
            ("1.5", 1_500),
            ("2000m", 2_000),
        ];
        for (text, milli) in good {
            assert_eq!(cpu(text), Ok(milli), "{text}");
        }
        for text in ["", "m", "-1", "1e3", ".5", "1.", "1 ", "½", "1,5", "0x1"] {
            assert_eq!(cpu(text), Err(QuantityError::Cpu(text.to_owned())), "{text}");
        }
        for text in ["0.0001", "0.5m"] {
            assert_eq!(cpu(text), Err(QuantityError::CpuFine(text.to_owned())), "{text}");
        }
        assert_eq!(
            cpu("99999999999999999999"),
            Err(QuantityError::Huge("99999999999999999999".to_owned()))
        );
    }

    #[test]
    fn bytes_in_both_kinds_of_thousands() {
        let good = [
            ("128Mi", 128 << 20),
            ("1Gi", 1 << 30),
            ("1.5Gi", 3 << 29),
            ("1G", 1_000_000_000),
            ("1k", 1_000),
            ("1K", 1_000),
            ("0.5Ki", 512),
            ("15E", 15_000_000_000_000_000_000),
            ("42", 42),
            // 107374182.4 bytes.
            ("0.1Gi", 107_374_183),
        ];
        for (text, count) in good {
            assert_eq!(bytes(text), Ok(count), "{text}");
        }
        for text in ["", "Mi", "1GiB", "1 Gi", "1m", "-1Gi", "1e9"] {
            assert_eq!(bytes(text), Err(QuantityError::Bytes(text.to_owned())), "{text}");
        }
        assert_eq!(bytes("16Ei"), Err(QuantityError::Huge("16Ei".to_owned())));
    }

    #[test]
    fn durations_from_a_second_to_a_year() {
        let good = [
            ("1s", 1_000),
            ("2min", 120_000),
            ("3m", 180_000),
            ("1h", 3_600_000),
            ("1mon", 30 * 86_400_000),
            ("1y", DURATION_MAX_MS),
        ];
        for (text, ms) in good {
            assert_eq!(duration(text), Ok(ms), "{text}");
        }
        for text in ["0s", "366d", "2y", "99999999999999999999y"] {
            assert_eq!(
                duration(text),
                Err(QuantityError::DurationRange(text.to_owned())),
                "{text}"
            );
        }
        for text in ["", "h", "1", "1.5h", "1h30m", "1 h", "-1h", "1H"] {
            assert_eq!(duration(text), Err(QuantityError::Duration(text.to_owned())), "{text}");
        }
        let time = |ms| NonZeroU64::new(ms).unwrap();
        assert_eq!((blocks(3_600_000, time(1_000)), blocks(1_001, time(1_000))), (3_600, 2));
    }

    #[test]
    fn prices_are_rounded_up_to_a_mote() {
        let time = NonZeroU64::new(1_000).unwrap();
        let price = |amount, rate, per| motes_per_block(decimal(amount), decimal(rate), per, time);
        assert_eq!(price("50", "1", Per::Block), Some(50));
        assert_eq!(price("0.1", "1", Per::Block), Some(1));
        assert_eq!(price("2.5", "1000000000", Per::Block), Some(2_500_000_000));
        // 10 GIRRO an hour with blocks of a second: 2,777,777.7 motes.
        assert_eq!(price("10", "1000000000", Per::Hour), Some(2_777_778));
        assert_eq!(price("3600", "1", Per::Hour), Some(1));
        assert_eq!(price("3600.000001", "1", Per::Hour), Some(2));
        assert_eq!(price("999999999999999999999999999", "999999999999999999", Per::Hour), None);
        let slow = NonZeroU64::new(3).unwrap();
        assert_eq!(motes_per_block(decimal("1200000"), decimal("1"), Per::Hour, slow), Some(1));
    }

    #[test]
    fn bandwidths() {
        assert_eq!(bandwidth("100Mbps"), Ok(100_000_000));
        assert_eq!(bandwidth("1.5gbps"), Ok(1_500_000_000));
        assert_eq!(bandwidth("9"), Ok(9));
        for text in ["0", "fast", "1tbps", "-1mbps"] {
            assert_eq!(bandwidth(text), Err(QuantityError::Bandwidth(text.to_owned())));
        }
    }
}
