//! Asking a provider: one connection to one account.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{
        HeaderValue, Request, Response,
        header::{AUTHORIZATION, HOST},
    },
};
use casper_types::account::AccountHash;
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::{client::Resumption, pki_types::ServerName, version::TLS13};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use crate::{
    certificate::{Identity, crypto, server_name},
    denial::{Code, Denial},
    registry::Registry,
    server::WHO,
    verify::Verifier,
};

/// How long a connection and its first answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What to ask with.
#[derive(Clone, Debug)]
pub struct Client {
    /// What the chain says of providers' keys.
    pub registry: Registry,
    /// The certificate and key to show, if any.
    pub identity: Option<Identity>,
    /// A token to send with each request, if any.
    pub token: Option<String>,
}

/// A connection to a provider that let us in.
#[derive(Debug)]
pub struct Connection {
    sender: http1::SendRequest<Body>,
    host: HeaderValue,
    token: Option<HeaderValue>,
}

impl Client {
    /// Connects to a provider's gate and makes sure that it is `account`'s and lets us in: in TLS
    /// 1.3 a client hears only with the first answer what became of its certificate.
    ///
    /// # Errors
    /// [`Denial`] says who did not want whom, and why.
    pub async fn connect(
        &self,
        address: SocketAddr,
        account: &AccountHash,
    ) -> Result<Connection, Denial> {
        let connected = timeout(PATIENCE, self.try_connect(address, account)).await;
        connected.unwrap_or_else(|_| {
            let seconds = PATIENCE.as_secs();
            let message = format!("no answer from {address} within {seconds} s");
            Err(Denial::new(Code::Connect, message))
        })
    }

    async fn try_connect(
        &self,
        address: SocketAddr,
        account: &AccountHash,
    ) -> Result<Connection, Denial> {
        let unreachable =
            |error| Denial::new(Code::Connect, format!("cannot connect to {address}: {error}"));
        let stream = TcpStream::connect(address).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let name = server_name(account);
        let host = HeaderValue::from_str(&name);
        let (Ok(tls_name), Ok(host)) = (ServerName::try_from(name), host) else {
            return Err(Denial::new(Code::Connect, "the account makes no host name"));
        };
        let token =
            self.token.as_ref().map(|token| HeaderValue::from_str(&format!("Girrona {token}")));
        let token =
            token.transpose().map_err(|_| Denial::new(Code::TokenRefused, "this is no token"))?;
        let tls = TlsConnector::from(Arc::new(self.tls(account)?));
        let stream = tls.connect(tls_name, stream).await.map_err(|error| Denial::of_io(&error))?;
        let opened = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = opened.map_err(|error| Denial::of_error(&error))?;
        let (failed, failure) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            // Nobody listens once the first answer came.
            if let Err(error) = connection.with_upgrades().await {
                let _ = failed.send(Denial::of_error(&error));
            }
        });
        let mut connection = Connection { sender, host, token };
        let question = Request::get(WHO).body(Body::empty());
        let question = question.map_err(|error| Denial::new(Code::Connect, error.to_string()))?;
        let answer = match connection.send(question).await {
            Ok(answer) => answer,
            // The request may hear of a closed connection before the connection says why.
            Err(denial) if denial.code == Code::Connect => {
                return Err(failure.await.unwrap_or(denial));
            }
            Err(denial) => return Err(denial),
        };
        if answer.status().is_success() {
            // Read to its end, so that the next request can be sent.
            let _ = axum::body::to_bytes(Body::new(answer.into_body()), 1_024).await;
            return Ok(connection);
        }
        let status = answer.status();
        let body = axum::body::to_bytes(Body::new(answer.into_body()), 16 * 1024).await;
        let denial = body.ok().and_then(|body| serde_json::from_slice::<Denial>(&body).ok());
        Err(denial.unwrap_or_else(|| {
            Denial::new(Code::Connect, format!("the provider answered {status}"))
        }))
    }

    fn tls(&self, account: &AccountHash) -> Result<rustls::ClientConfig, Denial> {
        let crypto = Arc::new(crypto());
        let verifier = Verifier {
            registry: self.registry.clone(),
            crypto: Arc::clone(&crypto),
            want: Some(*account),
            is_mandatory: true,
        };
        let builder = rustls::ClientConfig::builder_with_provider(crypto)
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| Denial::of_tls(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut tls = match &self.identity {
            Some(identity) => builder
                .with_client_auth_cert(identity.chain(), identity.key())
                .map_err(|error| Denial::of_tls(&error))?,
            None => builder.with_no_client_auth(),
        };
        tls.resumption = Resumption::disabled();
        Ok(tls)
    }
}

impl Connection {
    /// Sends a request and waits for its answer's head. An answer of 101 can be upgraded with
    /// [`hyper::upgrade::on`].
    ///
    /// # Errors
    /// When the connection ended; [`Denial`] says why if the provider did.
    pub async fn send(&mut self, mut request: Request<Body>) -> Result<Response<Incoming>, Denial> {
        self.sender.ready().await.map_err(|error| Denial::of_error(&error))?;
        request.headers_mut().insert(HOST, self.host.clone());
        if let Some(token) = &self.token {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        self.sender.send_request(request).await.map_err(|error| Denial::of_error(&error))
    }
}
