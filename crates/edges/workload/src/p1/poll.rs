//! Waiting: files are always ready, and time is simulated, so this never waits.

use super::{Answer, Call, errno::Errno, memory::offset};

/// Subscriptions of one call.
const COUNT_MAX: u32 = 1_024;
const SUBSCRIPTION_BYTES: u32 = 48;
const EVENT_BYTES: u32 = 32;
const CLOCK: u8 = 0;
const READ: u8 = 1;
const WRITE: u8 = 2;
/// The time is one of the clock's, not one from now.
const ABSOLUTE: u16 = 1;
const WALL: u32 = 0;

/// What somebody waits for.
struct Subscription {
    userdata: [u8; 8],
    kind: u8,
    /// A clock's: nanoseconds since the start.
    when: u64,
    fd: u32,
}

impl Call<'_> {
    pub(super) fn poll_oneoff(
        &mut self,
        subscriptions: u32,
        events: u32,
        count: u32,
        result: u32,
    ) -> Answer {
        if count == 0 || count > COUNT_MAX {
            return Err(Errno::Invalid.into());
        }
        let now = self.host.clock.monotonic();
        let mut waiting = Vec::new();
        for index in 0..count {
            let at = offset(subscriptions, index * SUBSCRIPTION_BYTES)?;
            waiting.push(self.subscription(at, now)?);
        }
        let is_ready = waiting.iter().any(|one| one.kind != CLOCK);
        let first = waiting.iter().filter(|one| one.kind == CLOCK).map(|one| one.when).min();
        // If all wait for the time, the time comes.
        let until = if is_ready { now } else { first.unwrap_or(now).max(now) };
        self.host.clock.skip_to(until);
        let mut happened = 0;
        for one in waiting {
            if one.kind == CLOCK && one.when > until {
                continue;
            }
            let at = offset(events, happened * EVENT_BYTES)?;
            self.event(at, &one)?;
            happened += 1;
        }
        self.memory.write_u32(result, happened)
    }

    fn subscription(&mut self, at: u32, now: u64) -> Result<Subscription, super::Refusal> {
        let bytes: [u8; 48] = self.memory.array(at)?;
        let number = |from: usize| {
            let bytes = bytes.get(from..from + 8).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, u64::from_le_bytes)
        };
        let short = |from: u64| u32::try_from(from & u64::from(u32::MAX)).unwrap_or(0);
        let mut one = Subscription {
            userdata: number(0).to_le_bytes(),
            kind: bytes[8],
            when: 0,
            fd: short(number(16)),
        };
        match one.kind {
            CLOCK => {
                let timeout = number(24);
                let is_absolute = u16::from_le_bytes([bytes[40], bytes[41]]) & ABSOLUTE != 0;
                one.when = if !is_absolute {
                    now.saturating_add(timeout)
                } else if one.fd == WALL {
                    // Both clocks go on together.
                    let ahead = timeout.saturating_sub(self.host.clock.wall());
                    now.saturating_add(ahead)
                } else {
                    timeout
                };
                if one.fd > 3 {
                    return Err(Errno::Invalid.into());
                }
                Ok(one)
            }
            READ | WRITE => Ok(one),
            _ => Err(Errno::Invalid.into()),
        }
    }

    fn event(&mut self, at: u32, one: &Subscription) -> Answer {
        let (error, bytes) = match one.kind {
            CLOCK => (0, 0),
            kind => match self.fds.readiness(one.fd, kind == WRITE, self.host) {
                Ok(bytes) => (0, bytes),
                Err(errno) => (errno.number(), 0),
            },
        };
        let mut event = [0; 32];
        event[..8].copy_from_slice(&one.userdata);
        event[8..10].copy_from_slice(&u16::try_from(error).unwrap_or(0).to_le_bytes());
        event[10] = one.kind;
        event[16..24].copy_from_slice(&bytes.to_le_bytes());
        self.memory.write(at, &event)
    }
}
