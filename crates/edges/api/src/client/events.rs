//! Reading an event stream, and coming back to it where it broke off.
//!
//! A stream ends only when its reader drops it, or when the node says that there is nothing to
//! read (an HTTP status of 400 to 499). Every interruption is reported once and then healed: the
//! id of the last frame goes out as `Last-Event-ID`, and the node continues behind it.

use std::{fmt, time::Duration};

use futures::{Stream, stream};
use girrona_types::EventId;

use super::{CONNECT_TIMEOUT, ClientError};
use crate::frames::Frame;

/// The largest frame that is read: 32 MiB, several times the largest block or deploy.
const FRAME_MAX: usize = 32 * 1024 * 1024;
/// A node sends a comment every 15 seconds; twice that without a byte and it is gone.
const SILENCE_MAX: Duration = Duration::from_secs(40);
const WAIT_MIN: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(3);

/// Which events a stream has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventStreamPath {
    /// Blocks, executions, expiries, faults.
    Main,
    /// Accepted deploys.
    Deploys,
    /// Finality signatures.
    Sigs,
    /// All of them.
    All,
}

impl EventStreamPath {
    /// The path on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Main => "/events/main",
            Self::Deploys => "/events/deploys",
            Self::Sigs => "/events/sigs",
            Self::All => "/events",
        }
    }
}

impl fmt::Display for EventStreamPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A frame and its id; the first and the last frame of a connection have none.
type Item = Result<(Option<EventId>, Frame), ClientError>;

/// Reads the stream of the node at `url`, for example `http://127.0.0.1:9999`, from the event
/// `start_from` on, or from now on. Each connection, also a renewed one, begins with
/// [`Frame::ApiVersion`].
pub fn events(
    url: &str,
    path: EventStreamPath,
    start_from: Option<EventId>,
) -> impl Stream<Item = Result<(Option<EventId>, Frame), ClientError>> + Send + Unpin + use<> {
    let url = format!("{}{path}", url.trim_end_matches('/'));
    let http = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(SILENCE_MAX)
        .pool_max_idle_per_host(0)
        .build();
    let reader = Reader {
        http,
        url,
        start_from,
        last: None,
        connection: None,
        wait: Duration::ZERO,
        finished: false,
    };
    Box::pin(stream::unfold(reader, |mut reader| async move {
        let item = reader.next().await?;
        Some((item, reader))
    }))
}

struct Reader {
    http: reqwest::Result<reqwest::Client>,
    url: String,
    start_from: Option<EventId>,
    last: Option<EventId>,
    connection: Option<(reqwest::Response, Splitter)>,
    wait: Duration,
    finished: bool,
}

impl Reader {
    async fn next(&mut self) -> Option<Item> {
        if self.finished {
            return None;
        }
        let item = self.frame().await;
        match &item {
            Ok(_) => self.wait = Duration::ZERO,
            Err(error) => {
                self.connection = None;
                self.wait = self.wait.saturating_mul(2).clamp(WAIT_MIN, WAIT_MAX);
                self.finished = matches!(error, ClientError::Http { status: 400..=499, .. });
            }
        }
        Some(item)
    }

    async fn frame(&mut self) -> Item {
        let (mut response, mut splitter) = match self.connection.take() {
            Some(connection) => connection,
            None => (self.connect().await?, Splitter::default()),
        };
        let url = self.url.clone();
        loop {
            if let Some(message) = splitter.next_message() {
                // Set first: a frame that cannot be read must not come again.
                self.last = message.id.or(self.last);
                let frame = serde_json::from_str(&message.data).map_err(|e| {
                    ClientError::Shape { url, reason: format!("frame {:?}: {e}", message.id) }
                })?;
                self.connection = Some((response, splitter));
                return Ok((message.id, frame));
            }
            match response.chunk().await {
                Ok(Some(chunk)) => splitter
                    .push(&chunk)
                    .map_err(|reason| ClientError::Shape { url: self.url.clone(), reason })?,
                Ok(None) => {
                    let reason = "the node ended the stream".to_owned();
                    return Err(ClientError::Shape { url, reason });
                }
                Err(source) => return Err(ClientError::Transport { url, source }),
            }
        }
    }

    async fn connect(&self) -> Result<reqwest::Response, ClientError> {
        tokio::time::sleep(self.wait).await;
        let http = self.http.as_ref().map_err(|error| ClientError::Shape {
            url: self.url.clone(),
            reason: format!("no client can be made here: {error}"),
        })?;
        let url = match (self.start_from, self.last) {
            (Some(first), None) => format!("{}?start_from={first}", self.url),
            _ => self.url.clone(),
        };
        let mut request = http.get(url);
        if let Some(last) = self.last {
            request = request.header("last-event-id", last);
        }
        let response = request
            .send()
            .await
            .map_err(|source| ClientError::Transport { url: self.url.clone(), source })?;
        let status = response.status().as_u16();
        if status == 200 {
            return Ok(response);
        }
        let body = response.text().await.unwrap_or_default().chars().take(300).collect();
        Err(ClientError::Http { url: self.url.clone(), status, body })
    }
}

struct Message {
    id: Option<EventId>,
    data: String,
}

/// Cuts bytes into messages: lines up to an empty one.
#[derive(Default)]
struct Splitter {
    bytes: Vec<u8>,
    /// How far `bytes` was searched for the end of a line.
    searched: usize,
    id: Option<EventId>,
    data: Option<String>,
}

impl Splitter {
    fn push(&mut self, chunk: &[u8]) -> Result<(), String> {
        self.bytes.extend_from_slice(chunk);
        let held = self.data.as_ref().map_or(0, String::len).saturating_add(self.bytes.len());
        if held > FRAME_MAX {
            return Err(format!("a frame of more than {FRAME_MAX} bytes"));
        }
        Ok(())
    }

    fn next_message(&mut self) -> Option<Message> {
        let mut start = 0;
        let message = loop {
            let from = self.searched.max(start);
            let Some(end) = self.bytes.iter().skip(from).position(|byte| *byte == b'\n') else {
                self.searched = self.bytes.len();
                break None;
            };
            let end = from + end;
            let line = String::from_utf8_lossy(&self.bytes[start..end]);
            let line = line.strip_suffix('\r').unwrap_or(&line);
            start = end + 1;
            if line.is_empty() {
                let id = self.id.take();
                if let Some(data) = self.data.take() {
                    break Some(Message { id, data });
                }
                continue;
            }
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "data" => match &mut self.data {
                    Some(data) => {
                        data.push('\n');
                        data.push_str(value);
                    }
                    None => self.data = Some(value.to_owned()),
                },
                "id" => self.id = value.parse().ok(),
                // A comment, or something we have no use for.
                _ => {}
            }
        };
        self.bytes.drain(..start);
        self.searched = self.searched.saturating_sub(start);
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(chunks: &[&str]) -> Vec<(Option<EventId>, String)> {
        let mut splitter = Splitter::default();
        let mut messages = Vec::new();
        for chunk in chunks {
            splitter.push(chunk.as_bytes()).unwrap();
            while let Some(message) = splitter.next_message() {
                messages.push((message.id, message.data));
            }
        }
        messages
    }

    #[test]
    fn messages_are_cut_the_same_wherever_the_network_cuts_them() {
        let text = "data:{\"ApiVersion\":\"1.5.8\"}\n\n:\n\ndata: a\nid: 7\n\ndata:b\r\ndata:c\r\nid:8\r\n\r\n";
        let whole = split(&[text]);
        let expected = [
            (None, "{\"ApiVersion\":\"1.5.8\"}".to_owned()),
            (Some(7), "a".to_owned()),
            (Some(8), "b\nc".to_owned()),
        ];
        assert_eq!(whole, expected);
        let letters: Vec<String> = text.chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        assert_eq!(split(&letters), whole);
    }

    #[test]
    fn a_frame_without_an_end_is_refused() {
        let mut splitter = Splitter::default();
        let chunk = vec![b'x'; FRAME_MAX];
        splitter.push(&chunk).unwrap();
        assert!(splitter.next_message().is_none());
        assert!(splitter.push(b"x").is_err());
    }
}
