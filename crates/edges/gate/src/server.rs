//! A listener behind which only known accounts ask.
//!
//! Everybody is judged three times: in the handshake, before each request, and whenever the registry
//! changes or a certificate ends while something is open.

use std::{
    collections::BTreeMap,
    future::Future,
    io,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::header::{AUTHORIZATION, CONNECTION, UPGRADE},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use casper_types::account::AccountHash;
use girrona_types::NetworkId;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustls::{pki_types::CertificateDer, server::NoServerSessionStorage, version::TLS13};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    certificate::{Identity, crypto, facts},
    denial::{Code, Denial},
    guard::Guarded,
    peer::Peer,
    registry::{Fingerprint, Registry, Role},
    token::{Audience, Token, TokenError, Verified},
    verify::Verifier,
};

/// Where a client asks who it is; the first request of each connection.
pub(crate) const WHO: &str = "/gate/who";
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a refused client has to read why.
const LINGER: Duration = Duration::from_secs(1);
/// How long the head of a request may take, and a connection idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// At the end, requests under way have this long.
const FAREWELL: Duration = Duration::from_secs(5);
/// Tokens that were used and are remembered. When full, such tokens are refused: "busy".
const NONCES_MAX: usize = 65_536;

/// Who is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// Whoever shows a registered certificate; a token can only narrow it.
    Certificate,
    /// Whoever shows a registered certificate or a token.
    CertificateOrToken,
}

/// A gate.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The network, which tokens are made for.
    pub network: NetworkId,
    /// Whose gate it is.
    pub account: AccountHash,
    /// The certificate and key that are shown.
    pub identity: Identity,
    /// Who is let in.
    pub entrance: Entrance,
    /// Connections at once. A further one is closed.
    pub connections_max: usize,
    /// The longest body that comes with a token for one body, in bytes.
    pub body_max: usize,
}

#[derive(Debug)]
struct Gate {
    registry: Registry,
    audience: Audience,
    body_max: usize,
    /// Nonces that were used, with when they end.
    nonces: Mutex<BTreeMap<[u8; 16], u64>>,
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The key that a connection was opened with.
#[derive(Clone, Copy, Debug)]
struct Shown {
    key: Fingerprint,
    not_after: u64,
}

/// Ends a connection, and tells when it has ended.
#[derive(Clone, Debug)]
struct Ends {
    cut: CancellationToken,
    gone: CancellationToken,
}

/// Serves until `shutdown` is done and connections have ended. Handlers of `router` take a
/// [`Peer`]; no request without one gets there.
///
/// # Errors
/// When the identity is not usable.
pub async fn serve(
    listener: TcpListener,
    config: ServerConfig,
    registry: Registry,
    router: Router,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let acceptor = TlsAcceptor::from(tls(&config, &registry)?);
    let gate = Arc::new(Gate {
        registry,
        audience: Audience { network: config.network, provider: config.account },
        body_max: config.body_max,
        nonces: Mutex::default(),
    });
    let who = |peer: Peer| async move { peer.account.to_formatted_string() };
    let router = router.route(WHO, get(who)).layer(from_fn_with_state(Arc::clone(&gate), admit));

    let places = Arc::new(Semaphore::new(config.connections_max));
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
            debug!("too many connections; one was closed");
            continue;
        };
        let (acceptor, gate, router) = (acceptor.clone(), Arc::clone(&gate), router.clone());
        let closing = closing.subscribe();
        connections.spawn(async move {
            connection(stream, &acceptor, &gate, router, closing).await;
            drop(place);
        });
    }
    drop(listener);
    closing.send_replace(true);
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(FAREWELL + Duration::from_secs(1), ended).await.is_err() {
        connections.shutdown().await;
    }
    Ok(())
}

/// TLS 1.3 only. No tickets and no stored sessions: both let a client come back without showing
/// its certificate.
fn tls(config: &ServerConfig, registry: &Registry) -> io::Result<Arc<rustls::ServerConfig>> {
    let crypto = Arc::new(crypto());
    let verifier = Verifier {
        registry: registry.clone(),
        crypto: Arc::clone(&crypto),
        want: None,
        is_mandatory: config.entrance == Entrance::Certificate,
    };
    let mut tls = rustls::ServerConfig::builder_with_provider(crypto)
        .with_protocol_versions(&[&TLS13])
        .map_err(io::Error::other)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(config.identity.chain(), config.identity.key())
        .map_err(io::Error::other)?;
    tls.session_storage = Arc::new(NoServerSessionStorage {});
    tls.send_tls13_tickets = 0;
    Ok(Arc::new(tls))
}

/// Waits for the end of the server.
async fn closed(closing: &mut watch::Receiver<bool>) {
    // A sender that is gone means the same as one that says so.
    let _ = closing.wait_for(|closing| *closing).await;
}

async fn connection(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    gate: &Arc<Gate>,
    router: Router,
    mut closing: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let accepted = timeout(HANDSHAKE, acceptor.accept(stream).into_fallible()).await;
    let stream = match accepted {
        Ok(Ok(stream)) => stream,
        Ok(Err((error, stream))) => {
            debug!(%error, "somebody was not let in");
            linger(stream).await;
            return;
        }
        Err(_) => return,
    };
    let certificate =
        stream.get_ref().1.peer_certificates().and_then(<[CertificateDer<'_>]>::first);
    let shown = match certificate.map(facts).transpose() {
        Ok(facts) => {
            facts.map(|facts| Shown { key: facts.fingerprint, not_after: facts.not_after })
        }
        Err(_) => return,
    };
    let (cut, gone) = (CancellationToken::new(), CancellationToken::new());
    if let Some(shown) = shown {
        tokio::spawn(watch_over(gate.registry.clone(), shown, cut.clone(), gone.clone()));
    }
    let router = router.layer(axum::Extension(Ends { cut: cut.clone(), gone: gone.clone() }));
    let io = TokioIo::new(Guarded::new(stream, cut, gone));
    let router = match shown {
        Some(shown) => router.layer(axum::Extension(shown)),
        None => router,
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(io, TowerToHyperService::new(router))
        .with_upgrades();
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = &mut connection => result,
        () = closed(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            match timeout(FAREWELL, connection).await {
                Ok(result) => result,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = result {
        debug!(%error, "a connection broke");
    }
}

/// Waits until a refused client has read the alert: a socket that is closed with something unread
/// in it takes back what it sent.
async fn linger(mut stream: TcpStream) {
    let drain = async {
        stream.shutdown().await?;
        let mut rest = [0; 1_024];
        while stream.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = timeout(LINGER, drain).await;
}

/// Cuts a connection when its key is revoked, forgotten or over. Ends with the connection, upgraded
/// ones included.
async fn watch_over(
    registry: Registry,
    shown: Shown,
    cut: CancellationToken,
    gone: CancellationToken,
) {
    let mut changes = registry.changes();
    loop {
        let now = now();
        let entry = registry.entry(&shown.key);
        let end = match entry {
            Some(entry) if !entry.revoked && entry.role == Role::Client => {
                entry.not_after.min(shown.not_after)
            }
            _ => 0,
        };
        if now > end {
            info!(key = %shown.key, "a connection is cut: its certificate is not good any more");
            cut.cancel();
            return;
        }
        let left = Duration::from_secs(end.saturating_sub(now).saturating_add(1).min(86_400));
        tokio::select! {
            () = gone.cancelled() => return,
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(left) => {}
        }
    }
}

/// Cuts a stream that a token opened when the token ends.
fn end_with(ends: Option<Ends>, expires: u64, now: u64) {
    let Some(Ends { cut, gone }) = ends else { return };
    let left = Duration::from_secs(expires.saturating_sub(now).saturating_add(1));
    tokio::spawn(async move {
        tokio::select! {
            () = gone.cancelled() => {}
            () = tokio::time::sleep(left) => cut.cancel(),
        }
    });
}

/// Judges each request: the key once more, and a token if there is one.
async fn admit(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    match gate.judge(request).await {
        Ok(request) => next.run(request).await,
        Err(denial) => {
            info!(%denial, "a request was not let in");
            let mut response = denial.into_response();
            // Whoever is not let in has to begin anew.
            let close = axum::http::HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
            response
        }
    }
}

impl Gate {
    async fn judge(&self, mut request: Request) -> Result<Request, Denial> {
        let now = now();
        let shown = request.extensions().get::<Shown>().copied();
        let by_certificate = match shown {
            Some(shown) => Some((self.registry.check(&shown.key, Role::Client, now)?, shown.key)),
            None => None,
        };
        let token = self.token(&request, now)?;
        let peer = match (by_certificate, &token) {
            (None, None) => {
                let message = "neither a certificate nor a token was shown";
                return Err(Denial::new(Code::CertRequired, message));
            }
            (Some((entry, _)), Some(token)) if entry.account != token.account => {
                let message = "certificate and token are of different accounts; show one of them";
                return Err(Denial::new(Code::Ambiguous, message));
            }
            (Some((entry, key)), None) => Peer::by_certificate(entry.account, key),
            (by_certificate, Some(token)) => {
                let key = by_certificate.map(|(_, key)| key);
                Peer::by_token(token.account, key, token.token.clone())
            }
        };
        if let Some(token) = &token
            && request.headers().contains_key(UPGRADE)
        {
            end_with(request.extensions().get::<Ends>().cloned(), token.token.expires, now);
        }
        if let Some(Verified { token: Token { body: Some(hash), nonce, expires, .. }, .. }) = token
        {
            let (parts, body) = request.into_parts();
            let bytes = to_bytes(body, self.body_max).await.map_err(|_| {
                Denial::new(Code::TokenRefused, format!("more than {} bytes", self.body_max))
            })?;
            if Token::hash_of(&bytes) != hash {
                return Err(Denial::new(Code::TokenRefused, "the token is for another body"));
            }
            self.use_once(nonce, expires, now)?;
            request = Request::from_parts(parts, Body::from(bytes));
        }
        request.extensions_mut().insert(peer);
        Ok(request)
    }

    fn token(&self, request: &Request, now: u64) -> Result<Option<Verified>, Denial> {
        let mut headers = request.headers().get_all(AUTHORIZATION).iter();
        let Some(header) = headers.next() else { return Ok(None) };
        let text = header.to_str().ok().and_then(|text| text.strip_prefix("Girrona "));
        let (Some(text), None) = (text, headers.next()) else {
            let message = "a token is sent once, as `Authorization: Girrona TOKEN`";
            return Err(Denial::new(Code::TokenRefused, message));
        };
        Token::read(text, &self.audience, now).map(Some).map_err(|error| {
            let code = match error {
                TokenError::Expired => Code::TokenExpired,
                _ => Code::TokenRefused,
            };
            Denial::new(code, error.to_string())
        })
    }

    fn use_once(&self, nonce: [u8; 16], expires: u64, now: u64) -> Result<(), Denial> {
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        if nonces.len() >= NONCES_MAX {
            nonces.retain(|_, end| *end >= now);
        }
        if nonces.contains_key(&nonce) {
            return Err(Denial::new(Code::TokenRefused, "the token was used; make a new one"));
        }
        if nonces.len() >= NONCES_MAX {
            return Err(Denial::new(Code::Busy, "too many tokens are in use; try again shortly"));
        }
        nonces.insert(nonce, expires);
        Ok(())
    }
}
