//! How long a message is on the way between two nodes.
//!
//! Knows: distributions, regions of the world, how a person writes them. A link has one latency, in
//! both directions, for as long as the simulation lasts. Does not know: uplinks, loss.

use std::{fmt, str::FromStr};

use crate::rng::Rng;

/// A model of one-way latency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Latency {
    /// The same on every link, in milliseconds.
    Const(f64),
    /// Between these two, in milliseconds.
    Uniform(f64, f64),
    /// With this median in milliseconds; the logarithm's deviation is 0.5, so one link in a hundred
    /// takes more than 3.2 times the median.
    Lognormal(f64),
    /// Eight regions of the world: half of what public clouds measure between them, 3 ms to get
    /// there, and some jitter.
    Geo,
}

/// Why a text is no latency model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LatencyError {
    /// An unknown name.
    #[error("`{0}` is not const:TIME, uniform:TIME..TIME, lognormal:TIME or geo")]
    Name(String),
    /// A time that is none.
    #[error("`{0}` is not a one-way time such as 50ms, up to 10 s")]
    Time(String),
    /// An empty range.
    #[error("the range `{0}` ends before it begins")]
    Range(String),
}

/// The longest latency that can be asked for, in milliseconds.
const LONGEST: f64 = 10_000.0;

fn time(text: &str) -> Result<f64, LatencyError> {
    let refused = || LatencyError::Time(text.to_owned());
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1.0),
        None => match text.strip_suffix("us") {
            Some(number) => (number, 0.001),
            None => match text.strip_suffix('s') {
                Some(number) => (number, 1_000.0),
                None => (text, 1.0),
            },
        },
    };
    let millis = number.trim().parse::<f64>().map_err(|_| refused())? * unit;
    if (0.0..=LONGEST).contains(&millis) { Ok(millis) } else { Err(refused()) }
}

impl FromStr for Latency {
    type Err = LatencyError;

    fn from_str(text: &str) -> Result<Self, LatencyError> {
        let unknown = || LatencyError::Name(text.to_owned());
        if text == "geo" {
            return Ok(Self::Geo);
        }
        let (name, value) = text.split_once(':').ok_or_else(unknown)?;
        match name {
            "const" => Ok(Self::Const(time(value)?)),
            "lognormal" => Ok(Self::Lognormal(time(value)?)),
            "uniform" => {
                let (from, to) = value.split_once("..").ok_or_else(unknown)?;
                let (from, to) = (time(from)?, time(to)?);
                if from > to {
                    return Err(LatencyError::Range(value.to_owned()));
                }
                Ok(Self::Uniform(from, to))
            }
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Const(time) => write!(f, "const:{time}ms"),
            Self::Uniform(from, to) => write!(f, "uniform:{from}ms..{to}ms"),
            Self::Lognormal(median) => write!(f, "lognormal:{median}ms"),
            Self::Geo => f.write_str("geo"),
        }
    }
}

/// Share of the nodes in each region: US east and west, EU west and east, India, East Asia, South
/// America, Australia.
const PEOPLE: [f64; 8] = [0.26, 0.12, 0.30, 0.10, 0.05, 0.11, 0.02, 0.04];
/// One way between regions, in milliseconds.
const REGIONS: [[f64; 8]; 8] = [
    [4.0, 32.0, 40.0, 55.0, 98.0, 80.0, 58.0, 100.0],
    [32.0, 4.0, 68.0, 80.0, 112.0, 54.0, 85.0, 72.0],
    [40.0, 68.0, 5.0, 15.0, 60.0, 115.0, 93.0, 135.0],
    [55.0, 80.0, 15.0, 5.0, 55.0, 125.0, 108.0, 145.0],
    [98.0, 112.0, 60.0, 55.0, 6.0, 62.0, 150.0, 75.0],
    [80.0, 54.0, 115.0, 125.0, 62.0, 4.0, 128.0, 55.0],
    [58.0, 85.0, 93.0, 108.0, 150.0, 128.0, 5.0, 155.0],
    [100.0, 72.0, 135.0, 145.0, 75.0, 55.0, 155.0, 5.0],
];
/// From a node to its region's cloud, both ends together, in milliseconds.
const ACCESS: f64 = 3.0;
/// Deviation of the jitter between regions.
const JITTER: f64 = 0.1;
/// Deviation of the logarithm of [`Latency::Lognormal`].
const SIGMA: f64 = 0.5;
/// Values of the normal distribution that are kept ready.
const TABLE: usize = 1 << 12;

/// The latency of every link of one network.
#[derive(Debug)]
pub(super) struct Links {
    latency: Latency,
    seed: u64,
    /// What a link's number, by its lowest bits, makes of the latency: a factor.
    factors: Vec<f32>,
}

impl Links {
    pub(super) fn new(latency: Latency, seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x11_e7);
        let mut normal = || {
            let (a, b) = (rng.unit().max(1e-12), rng.unit());
            (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
        };
        let factor = |normal: f64| match latency {
            Latency::Lognormal(_) => (SIGMA * normal).exp(),
            Latency::Geo => 1.0 + JITTER * normal.abs(),
            Latency::Const(_) | Latency::Uniform(..) => 1.0,
        };
        let factors = (0..TABLE).map(|_| factor(normal()) as f32).collect();
        Self { latency, seed, factors }
    }

    /// One way between two nodes, in microseconds.
    pub(super) fn one_way(&self, a: u32, b: u32) -> u32 {
        let number = || {
            let (low, high) = (a.min(b), a.max(b));
            mix(self.seed ^ (u64::from(low) << 32 | u64::from(high)))
        };
        let factor = |number: u64| f64::from(self.factors[number as usize % TABLE]);
        let millis = match self.latency {
            Latency::Const(time) => time,
            Latency::Uniform(from, to) => from + unit(number()) * (to - from),
            Latency::Lognormal(median) => median * factor(number()),
            Latency::Geo => {
                let way = REGIONS[self.region(a)][self.region(b)];
                way * factor(number()) + ACCESS
            }
        };
        (millis * 1_000.0) as u32
    }

    fn region(&self, node: u32) -> usize {
        let mut left = unit(mix(self.seed.rotate_left(23) ^ u64::from(node)));
        for (region, people) in PEOPLE.iter().enumerate() {
            if left < *people {
                return region;
            }
            left -= people;
        }
        2
    }
}

/// A number that looks random and is not.
pub(super) fn mix(number: u64) -> u64 {
    Rng::new(number).next()
}

fn unit(number: u64) -> f64 {
    Rng::new(number).unit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_read_as_they_are_written() {
        for text in ["const:50ms", "uniform:10ms..90ms", "lognormal:20ms", "geo", "const:0ms"] {
            assert_eq!(text.parse::<Latency>().unwrap().to_string(), text);
        }
        assert_eq!("const:2s".parse(), Ok(Latency::Const(2_000.0)));
        assert_eq!("const:250us".parse(), Ok(Latency::Const(0.25)));
        assert_eq!("const:7".parse(), Ok(Latency::Const(7.0)));
    }

    #[test]
    fn nonsense_is_refused_and_says_why() {
        let refused = |text: &str| text.parse::<Latency>().unwrap_err().to_string();
        assert!(refused("moon").contains("is not const:TIME"));
        assert!(refused("pareto:5ms").contains("is not const:TIME"));
        assert!(refused("uniform:5ms").contains("is not const:TIME"));
        assert!(refused("uniform:9ms..5ms").contains("ends before it begins"));
        for text in ["const:", "const:-1ms", "const:NaN", "const:inf", "const:11s", "const:x"] {
            assert!(refused(text).contains("is not a one-way time"), "{text}");
        }
    }

    #[test]
    fn a_link_has_one_latency_in_both_directions_and_links_differ() {
        for latency in [Latency::Uniform(10.0, 90.0), Latency::Lognormal(50.0), Latency::Geo] {
            let links = Links::new(latency, 3);
            let mut times: Vec<u32> = (0..999).map(|a| links.one_way(a, a + 1)).collect();
            assert!((0..999).all(|a| links.one_way(a + 1, a) == times[a as usize]));
            times.sort_unstable();
            let (median, p99) = (times[500], times[989]);
            let expected = match latency {
                Latency::Uniform(..) => (45_000..55_000, 88_000..90_001),
                Latency::Lognormal(_) => (45_000..55_000, 130_000..195_000),
                _ => (35_000..75_000, 120_000..180_000),
            };
            assert!(expected.0.contains(&median), "{latency}: median {median}");
            assert!(expected.1.contains(&p99), "{latency}: p99 {p99}");
        }
    }
}
