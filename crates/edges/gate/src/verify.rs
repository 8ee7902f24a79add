//! One verifier for both sides of a handshake: the key counts, names and issuers do not.

use std::sync::Arc;

use casper_types::account::AccountHash;
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};

use crate::{
    certificate::facts,
    denial::{Code, Denial},
    registry::{Entry, Registry, Role},
};

/// Judges the other side's certificate by the registry.
#[derive(Debug)]
pub(crate) struct Verifier {
    pub(crate) registry: Registry,
    pub(crate) crypto: Arc<CryptoProvider>,
    /// As a client: whom we want to talk to.
    pub(crate) want: Option<AccountHash>,
    /// As a server: whether a certificate has to be shown.
    pub(crate) is_mandatory: bool,
}

impl Verifier {
    fn judge(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        role: Role,
        now: UnixTime,
    ) -> Result<Entry, Denial> {
        if !intermediates.is_empty() {
            return Err(Denial::new(
                Code::CertMalformed,
                "one certificate is enough, without a chain",
            ));
        }
        let facts = facts(certificate)?;
        // Who is not known hears that, whatever else is wrong.
        let entry = self.registry.check(&facts.fingerprint, role, now.as_secs())?;
        facts.check_time(now.as_secs())?;
        if facts.name != hex::encode(entry.account.value()) {
            let message = "the certificate names another account than the chain does";
            return Err(Denial::new(Code::CertRole, message));
        }
        Ok(entry)
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.judge(certificate, intermediates, Role::Client, now)
            .map(|_| ClientCertVerified::assertion())
            .map_err(|denial| denial.for_client())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.crypto.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.crypto.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.crypto.signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.judge(certificate, intermediates, Role::Server, now);
        let entry = judged.map_err(|denial| provider(denial).for_server())?;
        match self.want {
            Some(want) if want == entry.account => Ok(ServerCertVerified::assertion()),
            _ => {
                let want = self.want.map(|want| want.to_formatted_string()).unwrap_or_default();
                let found = entry.account.to_formatted_string();
                let message = format!("this is {found}; the lease is with {want}");
                Err(Denial::new(Code::WrongProvider, message).for_server())
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ClientCertVerifier::verify_tls12_signature(self, message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ClientCertVerifier::verify_tls13_signature(self, message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ClientCertVerifier::supported_verify_schemes(self)
    }
}

/// Says whose certificate was judged. A key for clients does not make a provider.
fn provider(denial: Denial) -> Denial {
    let code = if denial.code == Code::CertRole { Code::WrongProvider } else { denial.code };
    Denial { code, message: format!("nothing was sent to this server: {}", denial.message) }
}
