//! Arguments, environment, time, randomness.

use super::{Answer, Call, errno::Errno, memory::offset, unsupported};
use crate::law::{CLOCK_STEP_NS, RANDOM_MAX};

/// Clocks that the interface numbers: the first is the wall's, all others count from the start.
const WALL: u32 = 0;
const CLOCKS: u32 = 4;

impl Call<'_> {
    pub(super) fn args_sizes_get(&mut self, count: u32, size: u32) -> Answer {
        let texts = self.host.args.clone();
        self.sizes(&texts, count, size)
    }

    pub(super) fn args_get(&mut self, argv: u32, buffer: u32) -> Answer {
        let texts = self.host.args.clone();
        self.texts(&texts, argv, buffer)
    }

    pub(super) fn environ_sizes_get(&mut self, count: u32, size: u32) -> Answer {
        let texts = self.environ();
        self.sizes(&texts, count, size)
    }

    pub(super) fn environ_get(&mut self, environ: u32, buffer: u32) -> Answer {
        let texts = self.environ();
        self.texts(&texts, environ, buffer)
    }

    fn environ(&self) -> Vec<String> {
        self.host.env.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    fn sizes(&mut self, texts: &[String], count: u32, size: u32) -> Answer {
        let number = |value: usize| u32::try_from(value).map_err(|_| Errno::Invalid);
        self.memory.write_u32(count, number(texts.len())?)?;
        let bytes: usize = texts.iter().map(|text| text.len() + 1).sum();
        self.memory.write_u32(size, number(bytes)?)
    }

    /// Texts that end with a zero, and where each begins.
    fn texts(&mut self, texts: &[String], mut pointers: u32, mut at: u32) -> Answer {
        for text in texts {
            self.memory.write_u32(pointers, at)?;
            self.memory.write(at, text.as_bytes())?;
            let len = u32::try_from(text.len()).map_err(|_| Errno::Invalid)?;
            at = offset(at, len)?;
            self.memory.write(at, &[0])?;
            at = offset(at, 1)?;
            pointers = offset(pointers, 4)?;
        }
        Ok(())
    }

    pub(super) fn clock_res_get(&mut self, id: u32, result: u32) -> Answer {
        if id >= CLOCKS {
            return Err(Errno::Invalid.into());
        }
        self.memory.write_u64(result, CLOCK_STEP_NS)
    }

    pub(super) fn clock_time_get(&mut self, id: u32, _precision: u64, result: u32) -> Answer {
        let now = match id {
            WALL => self.host.clock.wall(),
            id if id < CLOCKS => self.host.clock.monotonic(),
            _ => return Err(Errno::Invalid.into()),
        };
        self.memory.write_u64(result, now)
    }

    pub(super) fn random_get(&mut self, buffer: u32, len: u32) -> Answer {
        if u64::from(len) > RANDOM_MAX {
            return Err(Errno::Invalid.into());
        }
        let bytes = self.memory.slice_mut(buffer, len)?;
        self.host.random.fill(bytes);
        Ok(())
    }

    pub(super) fn sched_yield(&self) -> Answer {
        Ok(())
    }

    pub(super) fn proc_raise(&self, _signal: u32) -> Answer {
        unsupported()
    }

    pub(super) fn sock_accept(&self, fd: u32, _flags: u32, _result: u32) -> Answer {
        self.no_socket(fd)
    }

    pub(super) fn sock_recv(
        &self,
        fd: u32,
        _buffers: u32,
        _count: u32,
        _flags: u32,
        _result: u32,
        _result_flags: u32,
    ) -> Answer {
        self.no_socket(fd)
    }

    pub(super) fn sock_send(
        &self,
        fd: u32,
        _buffers: u32,
        _count: u32,
        _flags: u32,
        _result: u32,
    ) -> Answer {
        self.no_socket(fd)
    }

    pub(super) fn sock_shutdown(&self, fd: u32, _how: u32) -> Answer {
        self.no_socket(fd)
    }

    fn no_socket(&self, fd: u32) -> Answer {
        self.fds.get(fd)?;
        Err(Errno::NotSocket.into())
    }
}
