//! Clocks and randomness.

use wasmtime::component::Resource;
use wasmtime_wasi::{
    async_trait,
    p2::{
        DynPollable, Pollable,
        bindings::{
            clocks::{
                monotonic_clock,
                wall_clock::{self, Datetime},
            },
            random::{insecure, insecure_seed, random},
        },
        subscribe,
    },
};

use super::State;
use crate::{
    host::Clock,
    law::{CLOCK_STEP_NS, RANDOM_MAX},
};

const SECOND: u64 = 1_000_000_000;

/// Nanoseconds since 1970 as the interface has them.
pub(super) fn datetime(nanoseconds: u64) -> Datetime {
    let rest = u32::try_from(nanoseconds % SECOND).unwrap_or(0);
    Datetime { seconds: nanoseconds / SECOND, nanoseconds: rest }
}

impl wall_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<Datetime> {
        Ok(datetime(self.host.clock.wall()))
    }

    fn resolution(&mut self) -> wasmtime::Result<Datetime> {
        Ok(datetime(CLOCK_STEP_NS))
    }
}

/// Somebody wants to be woken.
struct Alarm {
    clock: Clock,
    when: u64,
}

#[async_trait]
impl Pollable for Alarm {
    async fn ready(&mut self) {
        self.clock.wait(self.when).await;
    }
}

impl State {
    fn alarm(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let alarm = self.table.push(Alarm { clock: self.host.clock.clone(), when })?;
        subscribe(&mut self.table, alarm)
    }

    fn random(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        if len > RANDOM_MAX {
            wasmtime::bail!("{len} random bytes at once, {RANDOM_MAX} are the most");
        }
        let mut bytes = vec![0; usize::try_from(len)?];
        self.host.random.fill(&mut bytes);
        Ok(bytes)
    }
}

impl monotonic_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.host.clock.monotonic())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(CLOCK_STEP_NS)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.alarm(when)
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let now = self.host.clock.monotonic();
        self.alarm(now.saturating_add(duration))
    }
}

impl random::Host for State {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.random(len)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.host.random.number())
    }
}

impl insecure::Host for State {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.random(len)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.host.random.number())
    }
}

impl insecure_seed::Host for State {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.host.random.number(), self.host.random.number()))
    }
}
