//! How long gossip takes to get here, beside what the model says of it.
//!
//! Every gossip message begins with the time of its publication, 8 bytes, microseconds since 1970,
//! under the publisher's signature but not part of the message's id. What is measured is this
//! node's clock on arrival minus that: clocks that differ by a millisecond shift it by one. Where
//! the publisher's clock is ahead the time counts as zero, and is counted apart. Only what the
//! owner accepts is weighed in, so that junk says nothing about the network.
//!
//! Knows: times, counts, the model's inputs. Time arrives as an argument.
//! Does not know: gossipsub; `task/spread.rs` asks it.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use girrona_assembly::propagation::Inputs;
use libp2p::PeerId;

use crate::{Route, Topic};

/// Bytes of the time before each message.
pub(crate) const STAMP: usize = 8;

/// Arrivals of a topic and route that are remembered.
const ARRIVALS: usize = 512;
/// Times from arrival to acceptance that are remembered.
const DELAYS: usize = 256;
/// Degrees that are averaged, one a second.
const DEGREES: usize = 16;
/// Who was heard of within this time counts as part of the network.
const HEARD: Duration = Duration::from_secs(600);
/// Peers that are remembered. When full, others count once some are forgotten.
const PEERS_MAX: usize = 65_536;

/// Microseconds since 1970.
pub(crate) fn unix_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// A message with the time of its publication.
pub(crate) fn stamp(published_us: u64, message: &[u8]) -> Vec<u8> {
    let mut stamped = BytesMut::with_capacity(STAMP + message.len());
    stamped.put_u64(published_us);
    stamped.put_slice(message);
    stamped.into()
}

/// A message without its time, and that time; `None` for what is too short to have one.
pub(crate) fn unstamp(mut stamped: Bytes) -> Option<(u64, Bytes)> {
    let time: [u8; STAMP] = stamped.get(..STAMP)?.try_into().ok()?;
    let _ = stamped.split_to(STAMP);
    Some((u64::from_be_bytes(time), stamped))
}

/// What is measured of one message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) route: Route,
    /// When it was here.
    pub(crate) at: Instant,
    /// How long it was under way; `None` if the publisher's clock is ahead of ours.
    pub(crate) took: Option<Duration>,
}

impl Arrival {
    pub(crate) fn new(route: Route, published_us: u64) -> Self {
        let took = unix_us().checked_sub(published_us).map(Duration::from_micros);
        Self { route, at: Instant::now(), took }
    }
}

/// Messages of a topic that came one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// How many were accepted since the start.
    pub messages: u64,
    /// The median of their times from publication to arrival, of the last 512.
    pub median: Option<Duration>,
    /// The time that 99 of 100 of them did not exceed.
    pub p99: Option<Duration>,
}

/// How a topic spreads, measured beside the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Which.
    pub topic: Topic,
    /// Messages that were pushed here.
    pub mesh: Arrivals,
    /// Messages that were asked for, after a peer outside the mesh said that it has them.
    pub outside: Arrivals,
    /// Messages whose publishers' clocks are ahead of ours; their times count as zero.
    pub clocks_ahead: u64,
    /// What the model is asked with.
    pub inputs: Inputs,
    /// What it answers; `None` where each node has no more than one neighbour.
    pub model: Option<Duration>,
}

/// The last so many of something.
#[derive(Debug)]
struct Window<T> {
    last: VecDeque<T>,
    most: usize,
}

impl<T: Copy + Ord> Window<T> {
    fn new(most: usize) -> Self {
        Self { last: VecDeque::new(), most }
    }

    fn push(&mut self, value: T) {
        if self.last.len() >= self.most {
            self.last.pop_front();
        }
        self.last.push_back(value);
    }

    fn sorted(&self) -> Vec<T> {
        let mut sorted: Vec<T> = self.last.iter().copied().collect();
        sorted.sort_unstable();
        sorted
    }
}

/// The value that so many of a hundred do not exceed.
fn percentile<T: Copy>(sorted: &[T], percent: usize) -> Option<T> {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied()
}

#[derive(Debug)]
struct Way {
    messages: u64,
    times: Window<Duration>,
}

impl Way {
    fn new() -> Self {
        Self { messages: 0, times: Window::new(ARRIVALS) }
    }

    fn note(&mut self, took: Duration) {
        self.messages += 1;
        self.times.push(took);
    }

    fn show(&self) -> Arrivals {
        let sorted = self.times.sorted();
        Arrivals {
            messages: self.messages,
            median: percentile(&sorted, 50),
            p99: percentile(&sorted, 99),
        }
    }
}

#[derive(Debug)]
struct Measured {
    mesh: Way,
    outside: Way,
    clocks_ahead: u64,
    delays: Window<Duration>,
    degrees: Window<u64>,
}

/// What is measured of all topics.
#[derive(Debug)]
pub(crate) struct Meter {
    topics: [Measured; Topic::ALL.len()],
    /// When peers were last heard of.
    heard: HashMap<PeerId, Instant>,
}

impl Default for Meter {
    fn default() -> Self {
        let measured = |_| Measured {
            mesh: Way::new(),
            outside: Way::new(),
            clocks_ahead: 0,
            delays: Window::new(DELAYS),
            degrees: Window::new(DEGREES),
        };
        Self { topics: Topic::ALL.map(measured), heard: HashMap::new() }
    }
}

impl Meter {
    /// A message was accepted, now.
    pub(crate) fn accepted(&mut self, topic: Topic, arrival: Arrival, now: Instant) {
        let Some(measured) = self.topics.get_mut(topic.index()) else { return };
        measured.delays.push(now.saturating_duration_since(arrival.at));
        measured.clocks_ahead += u64::from(arrival.took.is_none());
        let way = match arrival.route {
            Route::Mesh => &mut measured.mesh,
            Route::Iwant => &mut measured.outside,
        };
        way.note(arrival.took.unwrap_or_default());
    }

    /// So many peers are sent what this node passes on.
    pub(crate) fn degree(&mut self, topic: Topic, peers: usize) {
        if let Some(measured) = self.topics.get_mut(topic.index()) {
            measured.degrees.push(peers as u64);
        }
    }

    /// Somebody is connected, or published something that was accepted, or is in the DHT's table.
    pub(crate) fn heard(&mut self, peer: PeerId, now: Instant) {
        if self.heard.len() < PEERS_MAX || self.heard.contains_key(&peer) {
            self.heard.insert(peer, now);
        }
    }

    /// Forgets who was not heard of for long.
    pub(crate) fn sweep(&mut self, now: Instant) {
        self.heard.retain(|_, at| now.saturating_duration_since(*at) < HEARD);
    }

    /// Everything beside the model. `pings` are round trips to neighbours of the last minute.
    pub(crate) fn show(&self, mut pings: Vec<Duration>) -> Vec<Spread> {
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        pings.sort_unstable();
        let rtt_us = percentile(&pings, 99).map_or(0, us);
        let nodes = (self.heard.len() as u64).saturating_add(1);
        let one = |(topic, measured): (Topic, &Measured)| {
            let delay = percentile(&measured.delays.sorted(), 50);
            let degrees = &measured.degrees.last;
            let sum: u64 = degrees.iter().sum();
            let degree_milli = sum.saturating_mul(1_000).checked_div(degrees.len() as u64);
            let inputs = Inputs {
                base_delay_us: delay.map_or(0, us),
                rtt_us,
                nodes,
                degree_milli: degree_milli.unwrap_or(0),
            };
            Spread {
                topic,
                mesh: measured.mesh.show(),
                outside: measured.outside.show(),
                clocks_ahead: measured.clocks_ahead,
                inputs,
                model: inputs.propagation_time_us().map(Duration::from_micros),
            }
        };
        Topic::ALL.into_iter().zip(&self.topics).map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    #[test]
    fn a_message_gets_its_time_back_and_what_is_short_has_none() {
        let stamped = Bytes::from(stamp(0x0102, b"words"));
        assert_eq!(stamped.len(), STAMP + 5);
        assert_eq!(unstamp(stamped), Some((0x0102, Bytes::from_static(b"words"))));
        assert_eq!(unstamp(Bytes::from(stamp(7, b""))), Some((7, Bytes::new())));
        assert_eq!(unstamp(Bytes::from_static(b"1234567")), None);
    }

    #[test]
    fn times_are_kept_by_topic_and_way_beside_the_model() {
        let now = Instant::now();
        let mut meter = Meter::default();
        for took in 1..=1_000 {
            let arrival = Arrival { route: Route::Mesh, at: now, took: Some(ms(took)) };
            meter.accepted(Topic::Blocks, arrival, now + ms(4));
        }
        let late = Arrival { route: Route::Iwant, at: now, took: Some(ms(700)) };
        meter.accepted(Topic::Blocks, late, now + ms(4));
        let ahead = Arrival { route: Route::Mesh, at: now, took: None };
        meter.accepted(Topic::Deploys, ahead, now);
        for peers in [7, 9] {
            meter.degree(Topic::Blocks, peers);
        }
        for _ in 0..99 {
            meter.heard(PeerId::random(), now);
        }
        let shown = meter.show((1..=100).map(ms).collect());
        let blocks = shown[Topic::Blocks.index()];
        // Of the last 512 only.
        let mesh = Arrivals { messages: 1_000, median: Some(ms(744)), p99: Some(ms(995)) };
        assert_eq!(blocks.mesh, mesh);
        let outside = Arrivals { messages: 1, median: Some(ms(700)), p99: Some(ms(700)) };
        assert_eq!(blocks.outside, outside);
        let inputs =
            Inputs { base_delay_us: 4_000, rtt_us: 99_000, nodes: 100, degree_milli: 8_000 };
        assert_eq!(blocks.inputs, inputs);
        assert_eq!(blocks.model, inputs.propagation_time_us().map(Duration::from_micros));
        let deploys = shown[Topic::Deploys.index()];
        assert_eq!((deploys.clocks_ahead, deploys.mesh.median), (1, Some(ms(0))));
        assert_eq!(deploys.model, None, "nobody is a neighbour");
        meter.sweep(now + HEARD);
        assert_eq!(meter.show(Vec::new())[0].inputs.nodes, 1);
    }
}
