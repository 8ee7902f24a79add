//! Requests and responses: the codec, the errors, and the way to answer.
//!
//! A request and a response are each one frame (`frame.rs`) on a stream of their own. There are two
//! lines of them: the chain's and the assemblies'.
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
/// The largest message about assemblies from one node to another, in bytes: an execution with
/// everything that it may bring, and what is around it.
pub const MAX_ASK: usize = 1_280 << 10;
/// The largest answer to one, in bytes.
pub const MAX_ANSWER: usize = 4 << 20;

/// Requests or responses of all peers together that are being read, in bytes. What comes on top is
/// refused, and asked for again by whoever wants it.
const READING_REQUESTS: usize = 32 << 20;
const READING_RESPONSES: usize = 128 << 20;
const READING_ASKS: usize = 16 << 20;
const READING_ANSWERS: usize = 32 << 20;

/// Who talks: their sizes differ, and they do not wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Line {
    /// Of the chain: `/girrona/<network>/sync/1`.
    Chain,
    /// Of assemblies: `/girrona/<network>/assembly/1`.
    Assembly,
}

impl Line {
    pub(crate) fn protocol(self, network: &str) -> String {
        match self {
            Self::Chain => format!("/girrona/{network}/sync/1"),
            Self::Assembly => format!("/girrona/{network}/assembly/1"),
        }
    }

    pub(crate) const fn request_max(self) -> usize {
        match self {
            Self::Chain => MAX_REQUEST,
            Self::Assembly => MAX_ASK,
        }
    }

    pub(crate) const fn response_max(self) -> usize {
        match self {
            Self::Chain => MAX_RESPONSE,
            Self::Assembly => MAX_ANSWER,
        }
    }

    fn codec(self) -> SyncCodec {
        let (requests, responses) = match self {
            Self::Chain => (READING_REQUESTS, READING_RESPONSES),
            Self::Assembly => (READING_ASKS, READING_ANSWERS),
        };
        SyncCodec {
            request_max: self.request_max(),
            response_max: self.response_max(),
            requests: Budget::new(requests),
            responses: Budget::new(responses),
        }
    }
}

/// Reads and writes requests and responses within their sizes.
#[derive(Clone, Debug)]
pub struct SyncCodec {
    request_max: usize,
    response_max: usize,
    requests: Budget,
    responses: Budget,
}

impl Default for SyncCodec {
    fn default() -> Self {
        Line::Chain.codec()
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
        read(io, self.request_max, &self.requests).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Bytes>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, self.response_max, &self.responses).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, b: Bytes) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &b, self.request_max).await
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
        write(io, &b, self.response_max).await
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
    /// The request is longer than [`MAX_REQUEST`], or than [`MAX_ASK`] about assemblies.
    #[error("a request of {len} bytes, at most {max} are allowed")]
    TooLarge {
        /// Its length in bytes.
        len: usize,
        /// How long it may be.
        max: usize,
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
    /// The answer is longer than it may be, cut off, or more than we take in at once.
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
    pub(crate) line: Line,
    pub(crate) id: InboundRequestId,
    pub(crate) channel: ResponseChannel<Bytes>,
    pub(crate) commands: Commands,
}

impl Reply {
    /// Sends the answer; `false` if it is longer than [`MAX_RESPONSE`] ([`MAX_ANSWER`] about
    /// assemblies), the peer has gone or given up, or this node has too much to do.
    pub fn send(self, bytes: Bytes) -> bool {
        if bytes.len() > self.line.response_max() {
            tracing::warn!(len = bytes.len(), "an answer above the size limit was not sent");
            return false;
        }
        let Self { line, id, channel, commands } = self;
        channel.is_open() && commands.submit(Command::Respond { line, id, channel, bytes })
    }
}

/// The behaviour of a line.
pub(crate) fn behaviour(
    line: Line,
    protocol: StreamProtocol,
    timeout: std::time::Duration,
) -> rr::Behaviour<SyncCodec> {
    let config =
        rr::Config::default().with_request_timeout(timeout).with_max_concurrent_streams(128);
    rr::Behaviour::with_codec(line.codec(), [(protocol, rr::ProtocolSupport::Full)], config)
}
