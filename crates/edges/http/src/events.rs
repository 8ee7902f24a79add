//! Server-sent events, as casper-node 1.5.8 sends them, with replay from disk.
//!
//! Four paths: `/events/main`, `/events/deploys`, `/events/sigs` and `/events` with all of them.
//! The first frame is `ApiVersion` without an id, the last, when the node goes down, `"Shutdown"`
//! without an id: an id that is not on disk would break the resumption behind it.
//!
//! Where a stream starts: behind `Last-Event-ID` if the caller sends that header, else at
//! `start_from`, else now. The header wins because browsers repeat the first address, with its
//! `start_from`, every time they reconnect.
//!
//! Every reader has a place in the one sequence of events and takes what comes next, from memory
//! if it is recent, from disk if not. So there is no seam between replay and live where an event
//! could be lost or doubled, and a slow reader costs no memory. A reader who was up to date once
//! and then falls [`EventsConfig::lag_max`] events behind is cut off, and so is one who takes no
//! byte for half a minute; both can come back with `Last-Event-ID`.

mod assemblies;
mod hub;
mod render;

use std::{future::Future, io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::StreamExt;
use girrona_types::EventId;
use tokio::{
    net::TcpListener,
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{self, error::TrySendError},
        watch,
    },
    time::Instant,
};
use tokio_stream::wrappers::ReceiverStream;
use tracing::{debug, warn};

use crate::{Backend, Metrics, server, with_cors};
use hub::Hub;
use render::Topics;

const WRONG_PATH: &str =
    "invalid path: expected '/events/main', '/events/deploys' or '/events/sigs'\n";
const WRONG_QUERY: &str = "invalid query: expected single field 'start_from=<EVENT ID>'\n";
const FULL: &str = "server has reached limit of subscribers\n";
/// Pieces of text between a reader's task and its socket. When full, the task waits.
const QUEUE: usize = 1;
/// Connections beyond the readers' own: for those who have not asked yet, or get an error. They are
/// closed after the error, or when nothing comes.
const SPARE_CONNECTIONS: usize = 156;

/// How event streams are served.
#[derive(Clone, Debug)]
pub struct EventsConfig {
    /// Which origin's pages may read: empty for none, `*` for all.
    pub cors_origin: String,
    /// Readers at once; one more gets 503.
    pub subscribers_max: usize,
    /// A reader this many events behind, after having been up to date, is cut off.
    pub lag_max: u64,
    /// A comment is sent after this long without an event.
    pub keep_alive: Duration,
    /// Where to count.
    pub metrics: Metrics,
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self {
            cors_origin: String::new(),
            subscribers_max: 100,
            lag_max: 10_000,
            keep_alive: Duration::from_secs(15),
            metrics: Metrics::default(),
        }
    }
}

struct Events {
    hub: Arc<Hub>,
    places: Arc<Semaphore>,
    closing: watch::Receiver<bool>,
    lag_max: u64,
    keep_alive: Duration,
    metrics: Metrics,
}

/// Serves event streams on `listener` until `shutdown` is done; then every reader gets what there
/// is, `"Shutdown"`, and the end.
///
/// # Errors
/// When the listener fails for good, or the newest event cannot be read at the start.
pub async fn serve_events(
    listener: TcpListener,
    backend: Arc<dyn Backend>,
    config: EventsConfig,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let (hub, feed) = Hub::start(backend).await?;
    let (closing, closing_seen) = watch::channel(false);
    let connections_max = config.subscribers_max.saturating_add(SPARE_CONNECTIONS);
    let events = Arc::new(Events {
        hub,
        places: Arc::new(Semaphore::new(config.subscribers_max)),
        closing: closing_seen,
        lag_max: config.lag_max,
        keep_alive: config.keep_alive,
        metrics: config.metrics.clone(),
    });
    let router = Router::new().fallback(handle).with_state(events);
    let router = with_cors(router, &config.cors_origin, Method::GET);
    let shutdown = async {
        shutdown.await;
        closing.send_replace(true);
    };
    let result = server::serve(listener, router, connections_max, config.metrics, shutdown).await;
    feed.abort();
    result
}

async fn handle(State(events): State<Arc<Events>>, request: Request) -> Response {
    match events.subscribe(&request) {
        Ok(body) => {
            let headers =
                [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
            (headers, body).into_response()
        }
        Err((status, text)) => {
            events.metrics.refused(status.as_u16());
            (status, [(header::CONNECTION, "close")], text).into_response()
        }
    }
}

impl Events {
    fn subscribe(&self, request: &Request) -> Result<Body, (StatusCode, &'static str)> {
        let topics = match (request.method(), request.uri().path()) {
            (&Method::GET, "/events/main" | "/events/main/") => Topics::MAIN,
            (&Method::GET, "/events/deploys" | "/events/deploys/") => Topics::DEPLOYS,
            (&Method::GET, "/events/sigs" | "/events/sigs/") => Topics::SIGS,
            (&Method::GET, "/events" | "/events/") => Topics::ALL,
            (&Method::GET, "/events/assemblies" | "/events/assemblies/") => {
                return self.assemblies();
            }
            _ => return Err((StatusCode::NOT_FOUND, WRONG_PATH)),
        };
        let start =
            start_from(request.uri()).ok_or((StatusCode::UNPROCESSABLE_ENTITY, WRONG_QUERY))?;
        let start = after_last(request.headers()).or(start);
        let place = self.place()?;
        let newest = self.hub.next();
        let (out, queue) = mpsc::channel(QUEUE);
        let reader = Reader {
            hub: Arc::clone(&self.hub),
            topics,
            // A start in the future would hide what happens until then.
            next: start.map_or(newest, |start| start.min(newest)),
            live: false,
            out,
            closing: self.closing.clone(),
            lag_max: self.lag_max,
            keep_alive: self.keep_alive,
            metrics: self.metrics.clone(),
            _place: place,
        };
        tokio::spawn(reader.run());
        Ok(Body::from_stream(ReceiverStream::new(queue).map(Ok::<Bytes, io::Error>)))
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, (StatusCode, &'static str)> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map_err(|_| (StatusCode::SERVICE_UNAVAILABLE, FULL))
    }

    fn assemblies(&self) -> Result<Body, (StatusCode, &'static str)> {
        let node = self.hub.assemblies().ok_or((StatusCode::NOT_FOUND, WRONG_PATH))?;
        let place = self.place()?;
        Ok(assemblies::body(node.events(), place, self.closing.clone(), self.keep_alive))
    }
}

/// `Some(None)` for no query at all; `None` for a wrong one.
fn start_from(uri: &Uri) -> Option<Option<EventId>> {
    match uri.query() {
        None | Some("") => Some(None),
        Some(query) => Some(Some(query.strip_prefix("start_from=")?.parse().ok()?)),
    }
}

/// The event behind the last one that the caller has; a header that is no id of ours is ignored.
fn after_last(headers: &HeaderMap) -> Option<EventId> {
    let last: EventId = headers.get("last-event-id")?.to_str().ok()?.trim().parse().ok()?;
    last.checked_add(1)
}

struct Reader {
    hub: Arc<Hub>,
    topics: Topics,
    /// The event that comes next.
    next: EventId,
    /// Whether it was up to date once.
    live: bool,
    out: mpsc::Sender<Bytes>,
    closing: watch::Receiver<bool>,
    lag_max: u64,
    keep_alive: Duration,
    metrics: Metrics,
    _place: OwnedSemaphorePermit,
}

/// The reader went away or has to.
struct Gone;

impl Reader {
    async fn run(mut self) {
        self.metrics.event_subscribers.inc();
        self.hub.listen(self.topics);
        // Either way the stream just ends; the reader can come back.
        let _: Result<(), Gone> = self.serve().await;
        self.hub.leave(self.topics);
        self.metrics.event_subscribers.dec();
    }

    async fn serve(&mut self) -> Result<(), Gone> {
        let mut news = self.hub.news();
        let version = render::frame(None, &self.hub.api_version()).map_err(|_| Gone)?;
        self.send(version).await?;
        let mut closing = self.closing.clone();
        loop {
            news.mark_unchanged();
            self.drain().await?;
            self.live = true;
            if *self.closing.borrow() {
                // What was published before the end still belongs to the stream.
                self.drain().await?;
                return self.send(Bytes::from_static(b"data:\"Shutdown\"\n\n")).await;
            }
            let quiet = Instant::now() + self.keep_alive;
            tokio::select! {
                changed = news.changed() => changed.map_err(|_| Gone)?,
                () = server::closed(&mut closing) => {}
                () = self.out.closed() => return Err(Gone),
                () = tokio::time::sleep_until(quiet) => {
                    self.send(Bytes::from_static(b":\n\n")).await?;
                }
            }
        }
    }

    /// Sends everything up to the newest event.
    async fn drain(&mut self) -> Result<(), Gone> {
        loop {
            let batch = self.hub.batch(self.next, self.topics).await.map_err(|fault| {
                warn!(%fault, "an event stream ended: events cannot be read");
                Gone
            })?;
            let Some(batch) = batch else { return Ok(()) };
            for frame in batch.frames {
                self.send(frame).await?;
            }
            self.next = batch.next;
        }
    }

    async fn send(&self, text: Bytes) -> Result<(), Gone> {
        let text = match self.out.try_send(text) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(_)) => return Err(Gone),
            Err(TrySendError::Full(text)) => text,
        };
        tokio::select! {
            sent = self.out.send(text) => sent.map_err(|_| Gone),
            () = self.fallen_behind() => {
                debug!(next = self.next, "an event reader is too slow and was cut off");
                self.metrics.event_laggards.inc();
                Err(Gone)
            }
        }
    }

    /// Waits until a reader who was up to date is too far behind.
    async fn fallen_behind(&self) {
        let mut news = self.hub.news();
        loop {
            let behind = self.hub.next().saturating_sub(self.next);
            if (self.live && behind > self.lag_max) || news.changed().await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_one_number_or_nothing() {
        let start = |uri: &'static str| start_from(&Uri::from_static(uri));
        assert_eq!(start("/events/main"), Some(None));
        assert_eq!(start("/events/main?"), Some(None));
        assert_eq!(start("/events/main?start_from=7"), Some(Some(7)));
        for wrong in ["/e?start_from=", "/e?start_from=-1", "/e?x=1", "/e?start_from=1&x=2"] {
            assert_eq!(start(wrong), None);
        }
    }
}
