//! Requests and responses: the codec, the errors, and the way to answer.
//!
//! A request and a response are each one frame (`frame.rs`) on a stream of their own.
//!
//! Knows: sizes, a shared byte budget. Does not know: what is asked.

use std::io;

use bytes::Bytes;
use futures::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use libp2p::{
    StreamProtocol,
    request_response::{self as rr, Codec, InboundRequestId, OutboundFailure, ResponseChannel},
};

use crate::{
    frame,
    handle::{Command, Commands},
    limits::Budget,
};

/// The largest request, in bytes.
pub const MAX_REQUEST: usize = 256 << 10;
/// The largest response, in bytes.
pub const MAX_RESPONSE: usize = 16 << 20;

/// Requests or responses of all peers together that are being read, in bytes. What comes on top is
/// refused, and asked for again by whoever wants it.
const READING_REQUESTS: usize = 32 << 20;
const READING_RESPONSES: usize = 128 << 20;

/// Reads and writes requests and responses within their sizes.
#[derive(Clone, Debug)]
pub struct SyncCodec {
    requests: Budget,
    responses: Budget,
}

impl Default for SyncCodec {
    fn default() -> Self {
        Self { requests: Budget::new(READING_REQUESTS), responses: Budget::new(READING_RESPONSES) }
    }
}

async fn read<T>(io: &mut T, max: usize, budget: &Budget) -> io::Result<Bytes>
where
    T: AsyncRead + Unpin + Send,
{
    let body = frame::read(io, max, Some(budget)).await?;
    body.map(Bytes::from).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

async fn write<T>(io: &mut T, body: &[u8], max: usize) -> io::Result<()>
where
    T: AsyncWrite + Unpin + Send,
{
    frame::write(io, body, max).await?;
    io.flush().await
}

impl Codec for SyncCodec {
    type Protocol = StreamProtocol;
    type Request = Bytes;
    type Response = Bytes;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Bytes>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, MAX_REQUEST, &self.requests).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Bytes>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, MAX_RESPONSE, &self.responses).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, b: Bytes) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &b, MAX_REQUEST).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        b: Bytes,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &b, MAX_RESPONSE).await
    }
}

/// Why a request has no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Only connected peers are asked.
    #[error("the peer is not connected")]
    NotConnected,
    /// Too many requests are under way; ask later or ask somebody else.
    #[error("too many requests are under way")]
    Busy,
    /// The request is longer than [`MAX_REQUEST`].
    #[error("a request of {len} bytes, at most {MAX_REQUEST} are allowed")]
    TooLarge {
        /// Its length in bytes.
        len: usize,
    },
    /// No response in time.
    #[error("the peer did not answer in time")]
    Timeout,
    /// The connection was lost.
    #[error("the connection was lost before the answer")]
    Disconnected,
    /// The peer does not speak our protocol.
    #[error("the peer does not answer requests of this network")]
    Unsupported,
    /// The peer closed the stream without an answer.
    #[error("the peer refused to answer")]
    Refused,
    /// The answer is longer than [`MAX_RESPONSE`], cut off, or more than we take in at once.
    #[error("the answer could not be read: {0}")]
    Unreadable(String),
    /// This node is shutting down.
    #[error("the network is stopped")]
    Stopped,
}

impl From<OutboundFailure> for RequestError {
    fn from(failure: OutboundFailure) -> Self {
        match failure {
            OutboundFailure::DialFailure => Self::NotConnected,
            OutboundFailure::Timeout => Self::Timeout,
            OutboundFailure::ConnectionClosed => Self::Disconnected,
            OutboundFailure::UnsupportedProtocols => Self::Unsupported,
            OutboundFailure::Io(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Self::Refused,
                _ => Self::Unreadable(error.to_string()),
            },
        }
    }
}

/// The way to answer one request. Dropping it tells the peer that there is no answer.
#[derive(Debug)]
pub struct Reply {
    pub(crate) id: InboundRequestId,
    pub(crate) channel: ResponseChannel<Bytes>,
    pub(crate) commands: Commands,
}

impl Reply {
    /// Sends the answer; `false` if it is longer than [`MAX_RESPONSE`], the peer has gone or given
    /// up, or this node has too much to do.
    pub fn send(self, bytes: Bytes) -> bool {
        if bytes.len() > MAX_RESPONSE {
            tracing::warn!(len = bytes.len(), "an answer above the size limit was not sent");
            return false;
        }
        let Self { id, channel, commands } = self;
        channel.is_open() && commands.submit(Command::Respond { id, channel, bytes })
    }
}

/// The behaviour of the `sync/1` protocol.
pub(crate) fn behaviour(
    protocol: StreamProtocol,
    timeout: std::time::Duration,
) -> rr::Behaviour<SyncCodec> {
    let config =
        rr::Config::default().with_request_timeout(timeout).with_max_concurrent_streams(128);
    rr::Behaviour::with_codec(SyncCodec::default(), [(protocol, rr::ProtocolSupport::Full)], config)
}
