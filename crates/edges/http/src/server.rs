//! One listener: accepts, bounds, serves and ends connections.
//!
//! HTTP/1.1 only. A connection that sends no complete request head within [`HEAD_TIMEOUT`] is
//! closed (idle ones too), and so is one that stops reading for [`WRITE_PATIENCE`].

use std::{future::Future, io, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tracing::{debug, warn};

use crate::{io::Impatient, metrics::Metrics};

/// A slow or silent caller has this long for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// A caller who reads nothing for this long is gone.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);
/// At the end, requests under way have this long.
const FAREWELL: Duration = Duration::from_secs(5);
/// Read at a time; also bounds the head of a request.
const BUFFER: usize = 64 * 1024;
const HEADERS_MAX: usize = 64;

const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
content-type: application/json\r\ncontent-length: 53\r\n\r\n\
{\"message\":\"too many connections; try again shortly\"}";

/// Serves until `shutdown` is done and the connections have ended.
///
/// At most `connections_max` connections are open. When there are that many, a further one is
/// told so (503) and closed at once: it must not wait behind idle ones.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    connections_max: usize,
    metrics: Metrics,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(connections_max));
    let (closing, _) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            _ = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Usually no file handles left: some connection has to end first.
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            metrics.refused(503);
            turn_away(stream);
            continue;
        };
        let router = router.clone();
        let closing = closing.subscribe();
        connections.spawn(async move {
            let _place = place;
            connection(stream, router, closing).await;
        });
    }
    drop(listener);
    closing.send_replace(true);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL + Duration::from_secs(1), ended).await.is_err() {
        connections.shutdown().await;
    }
    Ok(())
}

fn turn_away(stream: TcpStream) {
    // A new socket's buffer is empty, so this neither blocks nor writes half.
    if let Ok(stream) = stream.into_std() {
        let _ = io::Write::write(&mut &stream, FULL);
    }
}

/// Waits for the end of the server.
pub(crate) async fn closed(closing: &mut watch::Receiver<bool>) {
    // A sender that is gone means the same as one that says so.
    let _ = closing.wait_for(|closing| *closing).await;
}

async fn connection(stream: TcpStream, router: Router, mut closing: watch::Receiver<bool>) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "a connection ended at once");
        return;
    }
    let io = TokioIo::new(Impatient::new(stream, WRITE_PATIENCE));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(BUFFER)
        .max_headers(HEADERS_MAX)
        .serve_connection(io, TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = &mut connection => result,
        () = closed(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(FAREWELL, connection).await {
                Ok(result) => result,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = result {
        debug!(%error, "a connection broke");
    }
}

#[cfg(test)]
mod tests {
    use super::FULL;

    #[test]
    fn the_answer_to_one_too_many_has_the_length_it_says() {
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{head}");
    }
}
