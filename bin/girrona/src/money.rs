//! GIRRO as people write it, motes as the chain counts it.

use std::{fmt, str::FromStr};

use casper_types::U512;

/// Digits behind the point.
const DECIMALS: usize = 9;

/// An amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Girro(U512);

impl Girro {
    /// From motes.
    pub(crate) const fn from_motes(motes: U512) -> Self {
        Self(motes)
    }

    /// In motes.
    pub(crate) const fn motes(self) -> U512 {
        self.0
    }
}

impl FromStr for Girro {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "`{text}` is no amount of GIRRO; write digits and up to 9 more after a point, such as 2.5"
            )
        };
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > DECIMALS || whole.len() > 100 {
            return Err(bad());
        }
        U512::from_dec_str(&format!("{whole}{part:0<DECIMALS$}")).map(Self).map_err(|_| bad())
    }
}

impl fmt::Display for Girro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:0>width$}", self.0.to_string(), width = DECIMALS + 1);
        let (whole, part) = digits.split_at(digits.len() - DECIMALS);
        let part = part.trim_end_matches('0');
        if part.is_empty() { write!(f, "{whole} GIRRO") } else { write!(f, "{whole}.{part} GIRRO") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_becomes_motes() {
        for (text, motes) in [
            ("1", 1_000_000_000_u64),
            ("2.5", 2_500_000_000),
            ("0.000000001", 1),
            ("007", 7_000_000_000),
        ] {
            assert_eq!(text.parse::<Girro>().unwrap().motes(), U512::from(motes), "{text}");
        }
        for text in ["", ".5", "1.", "-1", "1,5", "1e3", "0.0000000001", "1.2.3", "½"] {
            assert!(text.parse::<Girro>().is_err(), "{text}");
        }
    }

    #[test]
    fn motes_become_what_people_read() {
        let shown = |motes: u64| Girro::from_motes(U512::from(motes)).to_string();
        assert_eq!(shown(0), "0 GIRRO");
        assert_eq!(shown(1), "0.000000001 GIRRO");
        assert_eq!(shown(2_500_000_000), "2.5 GIRRO");
        assert_eq!(shown(100_000_000_000), "100 GIRRO");
    }
}
