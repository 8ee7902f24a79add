//! What can be typed after `girrona sim gossip`.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::Args;
use girrona_sim::gossip::{Latency, NODES_MAX, Setup};

/// The most rows of a table: more is a slip of the finger.
const ROWS_MAX: usize = 1_000;

#[derive(Debug, Args)]
pub(crate) struct GossipArgs {
    /// How many nodes: a list such as 100,5000, or a range in steps of ten such as 10..1000000
    #[arg(long, value_name = "LIST", default_value = "100..10000")]
    pub(crate) nodes: Counts,
    /// Mesh peers that a node aims for: a list, or a range in doublings such as 4..16 [default: 8,
    /// as the swarm has it]
    #[arg(long, value_name = "LIST")]
    pub(crate) degree: Option<Degrees>,
    /// One-way latency: a list of const:TIME, uniform:TIME..TIME, lognormal:TIME (the median) and
    /// geo (eight regions of the world)
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "geo")]
    pub(crate) latency: Vec<Latency>,
    /// Connections of a node, mesh or not, on average [default: 32, as the swarm has it]
    #[arg(long, value_name = "N")]
    pub(crate) connections: Option<u32>,
    /// Length of a message: bytes, or such as 64KiB
    #[arg(long, value_name = "SIZE", default_value = "1KiB")]
    pub(crate) size: Bytes,
    /// What a node can send, in Mbit/s
    #[arg(long, value_name = "MBITS", default_value_t = 100)]
    pub(crate) uplink: u64,
    /// From a message's arrival to its being passed on, such as 2ms or 500us
    #[arg(long, value_name = "TIME", default_value = "2ms")]
    pub(crate) validation: Time,
    /// Copies that are lost on the way, in per cent
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    pub(crate) loss: f64,
    /// Nodes that come or go while the message spreads, in per cent
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    pub(crate) churn: f64,
    /// Nodes that receive and never pass on, in per cent
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    pub(crate) silent: f64,
    /// Nodes that prune everybody, claim to have the message and never serve it, in per cent
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    pub(crate) malicious: f64,
    /// The author sends to all its peers, not only to its mesh
    #[arg(long)]
    pub(crate) flood_publish: bool,
    /// No gossip outside the mesh (IHAVE, IWANT)
    #[arg(long)]
    pub(crate) mesh_only: bool,
    /// Messages for each row, each from another author
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) messages: u32,
    /// Decides everything that is random
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Fail if a p99 lies above the model, or somebody did not get a message
    #[arg(long)]
    pub(crate) check: bool,
    /// Draw measured times beside the model
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// A list of numbers of nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counts(pub(crate) Vec<u32>);

/// A list of degrees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Degrees(pub(crate) Vec<usize>);

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) u32);

/// A duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) Duration);

/// Reads `a,b..c`: a range begins at its first number, grows by `factor`, and ends at its last.
fn list(text: &str, factor: u32) -> Result<Vec<u32>, String> {
    let number = |text: &str| {
        let number = text.trim().replace('_', "").parse::<u32>();
        number.map_err(|_| format!("`{text}` is not a whole number"))
    };
    let mut numbers = Vec::new();
    for part in text.split(',') {
        let Some((from, to)) = part.split_once("..") else {
            numbers.push(number(part)?);
            continue;
        };
        let (from, to) = (number(from)?, number(to)?);
        if from == 0 {
            return Err(format!("the range `{part}` begins at zero"));
        }
        if from > to {
            return Err(format!("the range `{part}` ends before it begins"));
        }
        let steps = std::iter::successors(Some(from), |number| number.checked_mul(factor));
        numbers.extend(steps.take_while(|number| *number < to));
        numbers.push(to);
    }
    if numbers.len() > ROWS_MAX {
        return Err(format!("a list of {}: at most {ROWS_MAX}", numbers.len()));
    }
    Ok(numbers)
}

impl FromStr for Counts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let counts = list(text, 10)?;
        match counts.iter().find(|count| !(2..=NODES_MAX).contains(*count)) {
            Some(count) => Err(format!("{count} nodes: a network has from 2 to {NODES_MAX} nodes")),
            None => Ok(Self(counts)),
        }
    }
}

impl FromStr for Degrees {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let degrees = list(text, 2)?;
        match degrees.iter().find(|degree| **degree < 2) {
            Some(degree) => Err(format!("degree {degree}: a mesh needs at least 2 neighbours")),
            None => Ok(Self(degrees.into_iter().map(|degree| degree as usize).collect())),
        }
    }
}

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = match text.strip_suffix("KiB") {
            Some(number) => (number, 1_024),
            None => match text.strip_suffix("MiB") {
                Some(number) => (number, 1_024 * 1_024),
                None => (text, 1),
            },
        };
        let number = number.trim().parse::<u32>().ok();
        let bytes = number.and_then(|number| number.checked_mul(unit)).filter(|bytes| *bytes > 0);
        bytes.map(Self).ok_or_else(|| format!("`{text}` is not a size such as 1000, 64KiB or 1MiB"))
    }
}

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The same words as for latencies.
        match format!("const:{text}").parse() {
            Ok(Latency::Const(millis)) => Ok(Self(Duration::from_secs_f64(millis / 1_000.0))),
            _ => Err(format!("`{text}` is not a time such as 2ms or 500us, up to 10 s")),
        }
    }
}

impl GossipArgs {
    /// The setups of the rows, without their latencies.
    pub(crate) fn setups(&self) -> Vec<Setup> {
        let default = Setup::default();
        let degrees = match &self.degree {
            Some(degrees) => degrees.0.clone(),
            None => vec![default.gossip.degree],
        };
        let mut setups = Vec::new();
        for nodes in &self.nodes.0 {
            for degree in &degrees {
                let mut gossip = default.gossip.with_degree(*degree);
                gossip.flood_publish = self.flood_publish;
                if self.mesh_only {
                    gossip = gossip.mesh_only();
                }
                setups.push(Setup {
                    nodes: *nodes,
                    connections: self.connections.unwrap_or(default.connections),
                    gossip,
                    validation: self.validation.0,
                    size: self.size.0,
                    uplink: self.uplink.saturating_mul(1_000_000),
                    loss: self.loss / 100.0,
                    silent: self.silent / 100.0,
                    malicious: self.malicious / 100.0,
                    churn: self.churn / 100.0,
                    messages: self.messages,
                    seed: self.seed,
                    ..default.clone()
                });
            }
        }
        setups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges_are_read() {
        let counts = |text: &str| text.parse::<Counts>().map(|counts| counts.0);
        assert_eq!(counts("10..1000000"), Ok(vec![10, 100, 1_000, 10_000, 100_000, 1_000_000]));
        assert_eq!(counts("100,1000"), Ok(vec![100, 1_000]));
        assert_eq!(counts("7,20..500"), Ok(vec![7, 20, 200, 500]));
        assert_eq!("4..16".parse(), Ok(Degrees(vec![4, 8, 16])));
        assert_eq!("4,6".parse(), Ok(Degrees(vec![4, 6])));
        assert_eq!("64KiB".parse(), Ok(Bytes(65_536)));
        assert_eq!("500us".parse(), Ok(Time(Duration::from_micros(500))));
    }

    #[test]
    fn slips_are_refused_and_named() {
        let counts = |text: &str| text.parse::<Counts>().unwrap_err();
        assert!(counts("0").contains("from 2 to 4000000"));
        assert!(counts("10..9000000").contains("9000000 nodes"));
        assert!(counts("0..10").contains("begins at zero"));
        assert!(counts("100..10").contains("ends before it begins"));
        assert!(counts("many").contains("`many` is not a whole number"));
        assert!(counts("").contains("not a whole number"));
        assert!("0".parse::<Degrees>().unwrap_err().contains("at least 2 neighbours"));
        assert!("9999MiB".parse::<Bytes>().unwrap_err().contains("is not a size"));
        assert!("0".parse::<Bytes>().unwrap_err().contains("is not a size"));
        assert!("soon".parse::<Time>().unwrap_err().contains("is not a time"));
    }
}
