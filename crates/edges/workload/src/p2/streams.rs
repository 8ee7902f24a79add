//! Streams over memory: always ready, and at once done.

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use wasmtime_wasi::{
    async_trait,
    cli::{IsTerminal, StdinStream, StdoutStream},
    p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult},
};

use crate::host::{Fault, Handle, Sink, Stdin};

/// Bytes of one read or write.
pub(super) const CHUNK: usize = 64 << 10;

impl IsTerminal for Stdin {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for Stdin {
    // For preview 3 only, which there is none of here.
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(tokio::io::empty())
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Stdin {
    async fn ready(&mut self) {}
}

impl InputStream for Stdin {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size > 0 && self.left() == 0 {
            return Err(StreamError::Closed);
        }
        Ok(self.take(size.min(CHUNK)))
    }
}

impl IsTerminal for Sink {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Sink {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Sink {
    async fn ready(&mut self) {}
}

impl OutputStream for Sink {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        Self::write(self, &bytes).map_err(|halt| StreamError::Trap(halt.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(CHUNK)
    }
}

/// Reads a file from somewhere on.
pub(super) struct FileIn {
    pub(super) handle: Handle,
    pub(super) offset: u64,
}

#[async_trait]
impl Pollable for FileIn {
    async fn ready(&mut self) {}
}

impl InputStream for FileIn {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        let mut buffer = vec![0; size.min(CHUNK)];
        let offset = self.offset;
        let read = self.handle.with(|files, place| files.read(place, offset, &mut buffer));
        let count = read.map_err(broken)?;
        if count == 0 {
            return Err(StreamError::Closed);
        }
        buffer.truncate(count);
        self.offset = offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(buffer.into())
    }
}

/// Writes to a file from somewhere on, or always at its end.
pub(super) struct FileOut {
    pub(super) handle: Handle,
    pub(super) offset: Option<u64>,
}

#[async_trait]
impl Pollable for FileOut {
    async fn ready(&mut self) {}
}

impl OutputStream for FileOut {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > CHUNK {
            return Err(StreamError::trap("more bytes at once than were allowed"));
        }
        let given = self.offset;
        let end = self.handle.with(|files, place| {
            let offset = match given {
                Some(offset) => offset,
                None => files.stat(place)?.size,
            };
            files.write(place, offset, &bytes)?;
            Ok(offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX)))
        });
        let end = end.map_err(broken)?;
        self.offset = given.map(|_| end);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(CHUNK)
    }
}

fn broken(fault: Fault) -> StreamError {
    match fault {
        Fault::Halt(halt) => StreamError::Trap(halt.into()),
        // The file can be read and written, or there were no stream.
        _ => StreamError::Closed,
    }
}
