//! Who gets through a gate, over real sockets: each who does not hears why, and no handler hears of
//! them.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{
        StatusCode,
        header::{CONNECTION, UPGRADE},
    },
    response::{IntoResponse, Response},
    routing::{get, put},
};
use casper_types::{PublicKey, SecretKey, account::AccountHash};
use girrona_gate::{
    Client, Code, Connection, Denial, Entrance, Entry, Identity, Kind, Peer, ProofError, Registry,
    Role, Scope, ServerConfig, Token, serve,
};
use girrona_types::NetworkId;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::timeout,
};

const NETWORK: NetworkId = NetworkId([7; 32]);
const LEASE: [u8; 32] = [5; 32];
const DAY: u64 = 86_400;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn secret(byte: u8) -> SecretKey {
    SecretKey::ed25519_from_bytes([byte; 32]).unwrap()
}

fn account(byte: u8) -> AccountHash {
    PublicKey::from(&secret(byte)).to_account_hash()
}

const PROVIDER: u8 = 1;
const TENANT: u8 = 2;
const STRANGER: u8 = 3;

fn identity(who: u8, role: Role, kind: Kind) -> Identity {
    Identity::create(&account(who), role, kind, now() - DAY, now() + DAY).unwrap()
}

fn enter(registry: &Registry, who: u8, role: Role, identity: &Identity) {
    let entry = Entry { account: account(who), role, not_after: now() + DAY, revoked: false };
    registry.put(identity.fingerprint(), entry);
}

/// A gate on a free port, what it shows, and how often its handlers were called.
struct Gate {
    registry: Registry,
    address: SocketAddr,
    calls: Arc<AtomicUsize>,
    _end: oneshot::Sender<()>,
}

async fn upgrade(peer: Peer, mut request: Request) -> Response {
    if let Err(denial) = peer.require(Scope::Logs, &LEASE) {
        return denial.into_response();
    }
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut stream = TokioIo::new(upgraded.await.unwrap());
        let mut byte = [0];
        while stream.read_exact(&mut byte).await.is_ok() {
            if stream.write_all(&byte).await.is_err() {
                break;
            }
        }
    });
    (StatusCode::SWITCHING_PROTOCOLS, [(CONNECTION, "upgrade"), (UPGRADE, "websocket")])
        .into_response()
}

async fn gate(shown: Identity, registry: Registry, entrance: Entrance) -> Gate {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let count = |calls: &Arc<AtomicUsize>| {
        let calls = Arc::clone(calls);
        move |peer: Peer| {
            calls.fetch_add(1, Ordering::SeqCst);
            async move { peer.account.to_formatted_string() }
        }
    };
    let shell = {
        let calls = Arc::clone(&calls);
        move |peer: Peer| {
            calls.fetch_add(1, Ordering::SeqCst);
            async move { peer.require(Scope::Shell, &LEASE).map(|()| "shell") }
        }
    };
    let echo = |_: Peer, body: String| async move { body };
    let router = Router::new()
        .route("/hello", get(count(&calls)))
        .route("/shell", get(shell))
        .route("/manifest", put(echo))
        .route("/logs", get(upgrade));
    let config = ServerConfig {
        network: NETWORK,
        account: account(PROVIDER),
        identity: shown,
        entrance,
        connections_max: 16,
        body_max: 1_024,
    };
    let (end, ended) = oneshot::channel::<()>();
    let fed = registry.clone();
    tokio::spawn(async move {
        serve(listener, config, fed, router, async { ended.await.unwrap_or(()) }).await.unwrap();
    });
    Gate { registry, address, calls, _end: end }
}

/// A provider's gate with its registered certificate.
async fn good_gate(entrance: Entrance) -> Gate {
    let registry = Registry::new(Duration::from_secs(600));
    let shown = identity(PROVIDER, Role::Server, Kind::Ed25519);
    enter(&registry, PROVIDER, Role::Server, &shown);
    gate(shown, registry, entrance).await
}

impl Gate {
    fn client(&self, identity: Option<&Identity>) -> Client {
        Client { registry: self.registry.clone(), identity: identity.cloned(), token: None }
    }

    fn tenant(&self, kind: Kind) -> Identity {
        let tenant = identity(TENANT, Role::Client, kind);
        enter(&self.registry, TENANT, Role::Client, &tenant);
        tenant
    }

    async fn connect(&self, identity: Option<&Identity>) -> Result<Connection, Denial> {
        self.client(identity).connect(self.address, &account(PROVIDER)).await
    }

    async fn refusal(&self, identity: Option<&Identity>) -> Denial {
        let denial = self.connect(identity).await.unwrap_err();
        assert_eq!(self.calls.load(Ordering::SeqCst), 0, "a handler was called");
        denial
    }
}

async fn get_text(connection: &mut Connection, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let answer = connection.send(request).await.unwrap();
    let status = answer.status();
    let body = to_bytes(Body::new(answer.into_body()), 65_536).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// Rows 1 and 2: both kinds of keys, two of one account at once.
#[tokio::test]
async fn whose_keys_are_registered_gets_in_and_is_known() {
    let gate = good_gate(Entrance::Certificate).await;
    for kind in [Kind::P256, Kind::Ed25519] {
        let tenant = gate.tenant(kind);
        let mut connection = gate.connect(Some(&tenant)).await.unwrap();
        let (status, body) = get_text(&mut connection, "/hello").await;
        assert_eq!((status, body), (StatusCode::OK, account(TENANT).to_formatted_string()));
        let (status, _) = get_text(&mut connection, "/shell").await;
        assert_eq!(status, StatusCode::OK, "a certificate allows everything");
    }
}

/// Rows 3, 4, 5 and 10: each hears its own reason.
#[tokio::test]
async fn who_is_not_let_in_hears_why() {
    let gate = good_gate(Entrance::Certificate).await;
    let forged = identity(TENANT, Role::Client, Kind::P256);
    assert_eq!(gate.refusal(Some(&forged)).await.code, Code::CertUnknown);

    let old = Identity::create(
        &account(TENANT),
        Role::Client,
        Kind::Ed25519,
        now() - 2 * DAY,
        now() - DAY,
    );
    let old = old.unwrap();
    enter(&gate.registry, TENANT, Role::Client, &old);
    assert_eq!(gate.refusal(Some(&old)).await.code, Code::CertExpired);

    let young = Identity::create(
        &account(TENANT),
        Role::Client,
        Kind::Ed25519,
        now() + DAY,
        now() + 2 * DAY,
    );
    let young = young.unwrap();
    enter(&gate.registry, TENANT, Role::Client, &young);
    assert_eq!(gate.refusal(Some(&young)).await.code, Code::CertExpired);

    assert_eq!(gate.refusal(None).await.code, Code::CertRequired);

    let revoked = gate.tenant(Kind::Ed25519);
    gate.registry.revoke(&revoked.fingerprint());
    assert_eq!(gate.refusal(Some(&revoked)).await.code, Code::CertRevoked);

    // The chain says that this key is another account's: the name in the certificate lies.
    let liar = identity(TENANT, Role::Client, Kind::Ed25519);
    enter(&gate.registry, STRANGER, Role::Client, &liar);
    assert_eq!(gate.refusal(Some(&liar)).await.code, Code::CertRole);

    let server = identity(TENANT, Role::Server, Kind::Ed25519);
    enter(&gate.registry, TENANT, Role::Server, &server);
    let denial = gate.refusal(Some(&server)).await;
    assert_eq!(denial.code, Code::CertRole);
    assert!(
        denial.to_string().starts_with("tls.cert_role: our certificate is not a client's"),
        "{denial}"
    );
}

/// Rows 6, 7 and 8: nothing is sent to somebody else, whatever its certificate says.
#[tokio::test]
async fn nothing_is_sent_to_an_impostor() {
    let registry = Registry::new(Duration::from_secs(600));
    let real = identity(PROVIDER, Role::Server, Kind::Ed25519);
    enter(&registry, PROVIDER, Role::Server, &real);

    // The same names, another key.
    let impostor = identity(PROVIDER, Role::Server, Kind::Ed25519);
    let gate_1 = gate(impostor, registry.clone(), Entrance::Certificate).await;
    let tenant = gate_1.tenant(Kind::Ed25519);
    let denial = gate_1.refusal(Some(&tenant)).await;
    assert_eq!(denial.code, Code::CertUnknown);
    assert!(denial.message.starts_with("nothing was sent to this server: key "), "{denial}");

    let other = identity(STRANGER, Role::Server, Kind::Ed25519);
    enter(&registry, STRANGER, Role::Server, &other);
    let gate_2 = gate(other, registry.clone(), Entrance::Certificate).await;
    let denial = gate_2.refusal(Some(&tenant)).await;
    assert_eq!(denial.code, Code::WrongProvider);
    assert!(denial.message.contains(&account(STRANGER).to_formatted_string()), "{denial}");

    let client = identity(PROVIDER, Role::Client, Kind::Ed25519);
    enter(&registry, PROVIDER, Role::Client, &client);
    let gate_3 = gate(client, registry.clone(), Entrance::Certificate).await;
    assert_eq!(gate_3.refusal(Some(&tenant)).await.code, Code::WrongProvider);

    registry.revoke(&real.fingerprint());
    let gate_4 = gate(real, registry, Entrance::Certificate).await;
    assert_eq!(gate_4.refusal(Some(&tenant)).await.code, Code::CertRevoked);
}

/// Row 9: a client that wants to resume cannot, so its certificate is judged each time.
#[tokio::test]
async fn no_session_is_resumed() {
    use rustls::{
        ClientConfig, HandshakeKind,
        client::{ClientSessionMemoryCache, Resumption},
    };
    let gate = good_gate(Entrance::Certificate).await;
    let tenant = gate.tenant(Kind::Ed25519);
    let config = eager::client(&tenant);
    let mut config: ClientConfig = config;
    config.resumption = Resumption::store(Arc::new(ClientSessionMemoryCache::new(32)));
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let ask = || async {
        let stream = TcpStream::connect(gate.address).await.unwrap();
        let name = "provider.example".try_into().unwrap();
        let mut stream = connector.connect(name, stream).await.unwrap();
        let kind = stream.get_ref().1.handshake_kind();
        let _ =
            stream.write_all(b"GET /hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer).await;
        (kind, read.map(|_| String::from_utf8_lossy(&answer).into_owned()))
    };
    for _ in 0..3 {
        let (kind, answer) = ask().await;
        assert_eq!(kind, Some(HandshakeKind::Full));
        assert!(answer.unwrap().starts_with("HTTP/1.1 200"));
    }
    let calls = gate.calls.load(Ordering::SeqCst);
    gate.registry.revoke(&tenant.fingerprint());
    let (_, answer) = ask().await;
    assert!(answer.unwrap_err().to_string().contains("CertificateRevoked"));
    assert_eq!(gate.calls.load(Ordering::SeqCst), calls);
}

/// A client that believes every server, as foreign ones may.
mod eager {
    use std::sync::Arc;

    use girrona_gate::Identity;
    use rustls::{
        ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    };

    #[derive(Debug)]
    struct Trusting;

    impl ServerCertVerifier for Trusting {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
        }
    }

    pub(super) fn client(identity: &Identity) -> ClientConfig {
        let pem = identity.to_pem();
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Trusting))
            .with_client_auth_cert(vec![certificate], key)
            .unwrap()
    }

    /// Shows one certificate and signs with the key of another.
    pub(super) fn thief(shown: &Identity, own: &Identity) -> ClientConfig {
        use rustls::sign::{CertifiedKey, SingleCertAndKey};
        let certificate = CertificateDer::from_pem_slice(shown.to_pem().as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(own.to_pem().as_bytes()).unwrap();
        let provider = aws_lc_rs::default_provider();
        let key = provider.key_provider.load_private_key(key).unwrap();
        let certified = CertifiedKey::new(vec![certificate], key);
        ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Trusting))
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
    }
}

/// A certificate is public; without its key it is worth nothing.
#[tokio::test]
async fn a_stolen_certificate_without_its_key_is_refused() {
    let gate = good_gate(Entrance::Certificate).await;
    let tenant = gate.tenant(Kind::Ed25519);
    let own = identity(STRANGER, Role::Client, Kind::Ed25519);
    let config = eager::thief(&tenant, &own);
    let stream = TcpStream::connect(gate.address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect("a.example".try_into().unwrap(), stream).await.unwrap();
    let _ = stream.write_all(b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut answer = Vec::new();
    let error = stream.read_to_end(&mut answer).await.unwrap_err();
    assert!(error.to_string().contains("DecryptError"), "{error}");
    assert_eq!(gate.calls.load(Ordering::SeqCst), 0);
}

/// Revoked between two requests of one connection.
#[tokio::test]
async fn a_key_is_judged_before_every_request() {
    let gate = good_gate(Entrance::Certificate).await;
    let tenant = gate.tenant(Kind::Ed25519);
    let mut connection = gate.connect(Some(&tenant)).await.unwrap();
    assert_eq!(get_text(&mut connection, "/hello").await.0, StatusCode::OK);
    gate.registry.revoke(&tenant.fingerprint());
    let request = Request::get("/hello").body(Body::empty()).unwrap();
    // Either the connection is cut already, or the request is refused.
    if let Ok(answer) = connection.send(request).await {
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(gate.calls.load(Ordering::SeqCst), 1);
    assert_eq!(gate.connect(Some(&tenant)).await.unwrap_err().code, Code::CertRevoked);
}

async fn open_log(connection: &mut Connection) -> TokioIo<hyper::upgrade::Upgraded> {
    let request = Request::get("/logs").header(CONNECTION, "upgrade").header(UPGRADE, "websocket");
    let answer = connection.send(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    let mut stream = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    stream.write_all(b"x").await.unwrap();
    let mut byte = [0];
    stream.read_exact(&mut byte).await.unwrap();
    assert_eq!(&byte, b"x");
    stream
}

/// An open log stream ends within a moment of the block that revokes its key; others go on.
#[tokio::test]
async fn what_is_open_ends_when_its_key_is_revoked() {
    let gate = good_gate(Entrance::Certificate).await;
    let (one, two) = (gate.tenant(Kind::Ed25519), gate.tenant(Kind::P256));
    let mut first = open_log(&mut gate.connect(Some(&one)).await.unwrap()).await;
    let mut second = open_log(&mut gate.connect(Some(&two)).await.unwrap()).await;
    gate.registry.revoke(&one.fingerprint());
    let mut rest = Vec::new();
    let ended = timeout(Duration::from_secs(1), first.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "still open after a second");
    second.write_all(b"y").await.unwrap();
    let mut byte = [0];
    second.read_exact(&mut byte).await.unwrap();

    // Forgotten is as good as revoked.
    gate.registry.replace(std::collections::BTreeMap::new());
    let ended = timeout(Duration::from_secs(1), second.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "still open after a second");
}

/// An open stream does not outlive its certificate.
#[tokio::test]
async fn what_is_open_ends_when_its_certificate_does() {
    let gate = good_gate(Entrance::Certificate).await;
    let short =
        Identity::create(&account(TENANT), Role::Client, Kind::Ed25519, now() - DAY, now() + 4);
    let short = short.unwrap();
    enter(&gate.registry, TENANT, Role::Client, &short);
    let mut log = open_log(&mut gate.connect(Some(&short)).await.unwrap()).await;
    let mut rest = Vec::new();
    let ended = timeout(Duration::from_secs(12), log.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "still open after its end");
}

/// Row 11: the new key is registered, clients change over, the old one is revoked.
#[tokio::test]
async fn certificates_rotate_without_a_failed_request() {
    let gate = good_gate(Entrance::Certificate).await;
    let old = gate.tenant(Kind::Ed25519);
    let mut by_old = gate.connect(Some(&old)).await.unwrap();
    let new = gate.tenant(Kind::Ed25519);
    for _ in 0..20 {
        assert_eq!(get_text(&mut by_old, "/hello").await.0, StatusCode::OK);
    }
    let mut by_new = gate.connect(Some(&new)).await.unwrap();
    gate.registry.revoke(&old.fingerprint());
    for _ in 0..20 {
        assert_eq!(get_text(&mut by_new, "/hello").await.0, StatusCode::OK);
    }
    assert!(gate.connect(Some(&new)).await.is_ok());
    assert_eq!(gate.connect(Some(&old)).await.unwrap_err().code, Code::CertRevoked);
}

/// While the chain is silent the last state counts, but not for ever.
#[tokio::test]
async fn a_stale_registry_lets_nobody_in() {
    let registry = Registry::new(Duration::from_secs(3));
    let shown = identity(PROVIDER, Role::Server, Kind::Ed25519);
    enter(&registry, PROVIDER, Role::Server, &shown);
    let gate = gate(shown.clone(), registry, Entrance::Certificate).await;
    let tenant = gate.tenant(Kind::Ed25519);
    assert!(gate.connect(Some(&tenant)).await.is_ok());
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    // The client hears of the chain; the provider does not.
    let fresh = Registry::new(Duration::from_secs(600));
    enter(&fresh, PROVIDER, Role::Server, &shown);
    let client = Client { registry: fresh, identity: Some(tenant.clone()), token: None };
    let denial = client.connect(gate.address, &account(PROVIDER)).await.unwrap_err();
    assert_eq!(denial.code, Code::RegistryStale);
    gate.registry.heard();
    assert!(gate.connect(Some(&tenant)).await.is_ok());
}

fn token(scopes: &[Scope]) -> Token {
    Token {
        provider: account(PROVIDER).value(),
        lease: LEASE,
        scopes: scopes.iter().copied().collect::<BTreeSet<_>>(),
        expires: now() + 600,
        nonce: [1; 16],
        body: None,
    }
}

#[tokio::test]
async fn a_token_allows_what_it_says_and_no_more() {
    let gate = good_gate(Entrance::CertificateOrToken).await;
    let with = |token: &Token| Client {
        registry: gate.registry.clone(),
        identity: None,
        token: Some(token.sign(&NETWORK, &secret(TENANT))),
    };
    let connect = async |client: Client| client.connect(gate.address, &account(PROVIDER)).await;
    let mut connection = connect(with(&token(&[Scope::Logs]))).await.unwrap();
    let (_, body) = get_text(&mut connection, "/hello").await;
    assert_eq!(body, account(TENANT).to_formatted_string());
    let (status, body) = get_text(&mut connection, "/shell").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(body.contains("token.scope") && body.contains("Shell"), "{body}");
    open_log(&mut connect(with(&token(&[Scope::Logs]))).await.unwrap()).await;

    let refused = async |token: Token| connect(with(&token)).await.unwrap_err();
    let other = Token { provider: account(STRANGER).value(), ..token(&[Scope::Logs]) };
    assert_eq!(
        refused(other).await.to_string(),
        "token.refused: the token is for another provider"
    );
    let old = Token { expires: now() - 1, ..token(&[Scope::Logs]) };
    assert_eq!(refused(old).await.code, Code::TokenExpired);
    let long = Token { expires: now() + 3_600, ..token(&[Scope::Logs]) };
    assert_eq!(refused(long).await.to_string(), "token.refused: a token lives 15 minutes at most");
    let client = Client { token: Some("nonsense".to_owned()), ..gate.client(None) };
    assert_eq!(connect(client).await.unwrap_err().to_string(), "token.refused: this is no token");

    // Neither of both.
    let denial = connect(gate.client(None)).await.unwrap_err();
    assert_eq!(denial.code, Code::CertRequired);

    // Both: of two accounts that is ambiguous, of one the token narrows.
    let stranger = identity(STRANGER, Role::Client, Kind::Ed25519);
    enter(&gate.registry, STRANGER, Role::Client, &stranger);
    let both = Client { identity: Some(stranger), ..with(&token(&[Scope::Logs])) };
    assert_eq!(connect(both).await.unwrap_err().code, Code::Ambiguous);
    let tenant = gate.tenant(Kind::Ed25519);
    let both = Client { identity: Some(tenant), ..with(&token(&[Scope::Logs])) };
    let mut connection = connect(both).await.unwrap();
    assert_eq!(get_text(&mut connection, "/shell").await.0, StatusCode::FORBIDDEN);
}

/// An open stream does not outlive the token that opened it.
#[tokio::test]
async fn what_a_token_opened_ends_with_it() {
    let gate = good_gate(Entrance::CertificateOrToken).await;
    let short = Token { expires: now() + 3, ..token(&[Scope::Logs]) };
    let client = Client {
        registry: gate.registry.clone(),
        identity: None,
        token: Some(short.sign(&NETWORK, &secret(TENANT))),
    };
    let mut connection = client.connect(gate.address, &account(PROVIDER)).await.unwrap();
    let mut log = open_log(&mut connection).await;
    let mut rest = Vec::new();
    let ended = timeout(Duration::from_secs(10), log.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "still open after its end");
}

/// A token for one body is good for that body, once.
#[tokio::test]
async fn a_token_for_a_body_is_used_once() {
    let gate = good_gate(Entrance::Certificate).await;
    let tenant = gate.tenant(Kind::Ed25519);
    let mut connection = gate.connect(Some(&tenant)).await.unwrap();
    let mut token = token(&[Scope::ManifestSend]);
    token.body = Some(Token::hash_of(b"manifest"));
    let header = format!("Girrona {}", token.sign(&NETWORK, &secret(TENANT)));
    let put = |body: &'static str| {
        Request::put("/manifest").header("authorization", &header).body(Body::from(body)).unwrap()
    };
    let answer = connection.send(put("another")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let mut connection = gate.connect(Some(&tenant)).await.unwrap();
    let answer = connection.send(put("manifest")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let body = to_bytes(Body::new(answer.into_body()), 1_024).await.unwrap();
    assert_eq!(&body[..], b"manifest");
    let answer = connection.send(put("manifest")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let body = to_bytes(Body::new(answer.into_body()), 1_024).await.unwrap();
    assert!(String::from_utf8_lossy(&body).contains("the token was used"));
}

#[test]
fn nobody_registers_the_key_of_another() {
    for kind in [Kind::Ed25519, Kind::P256] {
        let tenant = identity(TENANT, Role::Client, kind);
        let proof = tenant.prove(&NETWORK, &account(TENANT), Role::Client).unwrap();
        assert_eq!(proof.fingerprint(), tenant.fingerprint());
        assert_eq!(proof.ed25519().is_some(), kind == Kind::Ed25519);
        let verify =
            |network, who, role| proof.verify(&NetworkId([network; 32]), &account(who), role);
        assert_eq!(verify(7, TENANT, Role::Client), Ok(()));
        assert_eq!(verify(7, STRANGER, Role::Client), Err(ProofError::Signature));
        assert_eq!(verify(8, TENANT, Role::Client), Err(ProofError::Signature));
        assert_eq!(verify(7, TENANT, Role::Server), Err(ProofError::Signature));
        let mut other = proof.clone();
        other.spki = identity(TENANT, Role::Client, kind)
            .prove(&NETWORK, &account(TENANT), Role::Client)
            .unwrap()
            .spki;
        assert_eq!(
            other.verify(&NETWORK, &account(TENANT), Role::Client),
            Err(ProofError::Signature)
        );
        other.spki.truncate(10);
        assert_eq!(other.verify(&NETWORK, &account(TENANT), Role::Client), Err(ProofError::Key));
    }
}

#[test]
fn an_identity_is_read_as_it_was_written() {
    for kind in [Kind::Ed25519, Kind::P256] {
        let tenant = identity(TENANT, Role::Client, kind);
        let again = Identity::from_pem(&tenant.to_pem()).unwrap();
        assert_eq!(again.fingerprint(), tenant.fingerprint());
        assert_eq!(again.certificate_hash(), tenant.certificate_hash());
        assert!(!format!("{tenant:?}").contains("PRIVATE"));
        // Certificate of one, key of another.
        let other = identity(TENANT, Role::Client, kind);
        let (certificate, _) = split(&tenant.to_pem());
        let (_, key) = split(&other.to_pem());
        assert!(Identity::from_pem(&(certificate + &key)).is_err());
    }
    for text in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert!(Identity::from_pem(text).is_err());
    }
}

fn split(pem: &str) -> (String, String) {
    let at = pem.find("-----BEGIN PRIVATE").unwrap();
    let (certificate, key) = pem.split_at(at);
    (certificate.to_owned(), key.to_owned())
}

/// Somebody who opens a connection and says nothing, or nonsense, takes nobody's place for long.
#[tokio::test]
async fn nonsense_does_not_disturb_others() {
    let gate = good_gate(Entrance::Certificate).await;
    let tenant = gate.tenant(Kind::Ed25519);
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(TcpStream::connect(gate.address).await.unwrap());
        let mut noisy = TcpStream::connect(gate.address).await.unwrap();
        noisy.write_all(&[0xff; 4_096]).await.unwrap();
        let mut plain = TcpStream::connect(gate.address).await.unwrap();
        plain.write_all(b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        let _ = timeout(Duration::from_secs(5), plain.read_to_end(&mut answer)).await.unwrap();
        assert!(!answer.starts_with(b"HTTP"));
    }
    let mut connection = gate.connect(Some(&tenant)).await.unwrap();
    assert_eq!(get_text(&mut connection, "/hello").await.0, StatusCode::OK);
}
