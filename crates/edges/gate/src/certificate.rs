//! Making certificates, reading those of others, and proving that one has the key of one's own.

use std::fmt;

use casper_types::{AsymmetricType, PublicKey, Signature, account::AccountHash};
use girrona_types::NetworkId;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair,
    PKCS_ECDSA_P256_SHA256, PKCS_ED25519,
};
use rustls::{
    SignatureScheme,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, alg_id, pem::PemObject},
};
use sha2::{Digest, Sha256};
use thiserror::Error;
use x509_parser::{certificate::X509Certificate, prelude::FromDer, x509::SubjectPublicKeyInfo};

use crate::{
    denial::{Code, Denial},
    registry::{Fingerprint, Role},
};

/// What a proof signs begins with this.
const PROOF_DOMAIN: &[u8] = b"girrona/cert/v1";
/// The longest certificate that is looked at, in bytes; ours have a few hundred.
const CERTIFICATE_MAX: usize = 8 * 1024;
/// Clocks may differ by this much when a certificate begins, in seconds.
const SKEW: u64 = 120;

/// Why there is no identity.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// It could not be made.
    #[error("make a certificate")]
    Make(#[from] rcgen::Error),
    /// A file that is none.
    #[error("read a certificate and its key from PEM: {0}")]
    Pem(String),
    /// The certificate is not one of ours.
    #[error(transparent)]
    Certificate(#[from] Denial),
    /// TLS does not take them.
    #[error("the key does not fit the certificate")]
    Key(#[source] rustls::Error),
    /// A time outside the years that certificates can say.
    #[error("a certificate cannot end at {0} s after 1970")]
    Time(u64),
}

/// What kind of key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Ed25519: small, and the chain can check its proofs.
    #[default]
    Ed25519,
    /// ECDSA on P-256: what browsers and older tools take.
    P256,
}

/// A certificate with its key.
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    facts: Facts,
}

/// What we read in a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) fingerprint: Fingerprint,
    /// The name in it: an account's hash in hex.
    pub(crate) name: String,
    pub(crate) not_before: u64,
    pub(crate) not_after: u64,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        let (certificate, facts) = (self.certificate.clone(), self.facts.clone());
        Self { certificate, key: self.key.clone_key(), facts }
    }
}

impl Identity {
    /// Makes a key and a certificate that signs itself, valid between two times in seconds since
    /// 1970. It means nothing until its fingerprint is registered.
    ///
    /// # Errors
    /// When there is no randomness, or a time cannot be written.
    pub fn create(
        account: &AccountHash,
        role: Role,
        kind: Kind,
        from: u64,
        to: u64,
    ) -> Result<Self, IdentityError> {
        let key = KeyPair::generate_for(match kind {
            Kind::Ed25519 => &PKCS_ED25519,
            Kind::P256 => &PKCS_ECDSA_P256_SHA256,
        })?;
        let mut params = CertificateParams::new(vec![server_name(account)])?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, hex::encode(account.value()));
        (params.not_before, params.not_after) = (moment(from)?, moment(to)?);
        params.extended_key_usages = vec![match role {
            Role::Client => ExtendedKeyUsagePurpose::ClientAuth,
            Role::Server => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        let certificate = params.self_signed(&key)?.der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let facts = facts(&certificate)?;
        Ok(Self { certificate, key, facts })
    }

    /// Reads what [`Self::to_pem`] wrote.
    ///
    /// # Errors
    /// When certificate or key are missing, broken, or do not belong together.
    pub fn from_pem(text: &str) -> Result<Self, IdentityError> {
        let pem = |error: rustls::pki_types::pem::Error| IdentityError::Pem(error.to_string());
        let certificate = CertificateDer::from_pem_slice(text.as_bytes()).map_err(pem)?;
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(pem)?;
        let facts = facts(&certificate)?;
        let signer = crypto().key_provider.load_private_key(key.clone_key());
        let signer = signer.map_err(IdentityError::Key)?;
        let public = signer.public_key();
        if public.is_none_or(|public| Fingerprint::of(&public) != facts.fingerprint) {
            let error = rustls::InconsistentKeys::KeyMismatch;
            return Err(IdentityError::Key(error.into()));
        }
        Ok(Self { certificate, key, facts })
    }

    /// Certificate and key for a file that only its owner may read.
    pub fn to_pem(&self) -> String {
        let block = |label: &str, bytes: &[u8]| {
            let text = data_encoding::BASE64.encode(bytes);
            let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
            format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
        };
        block("CERTIFICATE", &self.certificate) + &block("PRIVATE KEY", self.key.secret_der())
    }

    /// The name of the key: what is registered.
    pub const fn fingerprint(&self) -> Fingerprint {
        self.facts.fingerprint
    }

    /// SHA-256 of the certificate.
    pub fn certificate_hash(&self) -> [u8; 32] {
        Sha256::digest(&self.certificate).into()
    }

    /// When it ends, in seconds since 1970.
    pub const fn not_after(&self) -> u64 {
        self.facts.not_after
    }

    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.clone()]
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }

    /// Proves to the chain that whoever registers this key for an account has it.
    ///
    /// # Errors
    /// When the key cannot sign, which a key that we made can.
    pub fn prove(
        &self,
        network: &NetworkId,
        account: &AccountHash,
        role: Role,
    ) -> Result<Proof, ProofError> {
        let spki = parse(&self.certificate).map_err(|_| ProofError::Key)?.public_key().raw.to_vec();
        let key =
            crypto().key_provider.load_private_key(self.key()).map_err(|_| ProofError::Key)?;
        let schemes = [SignatureScheme::ED25519, SignatureScheme::ECDSA_NISTP256_SHA256];
        let signer = key.choose_scheme(&schemes).ok_or(ProofError::Key)?;
        let message = proof_message(network, account, role, &Fingerprint::of(&spki));
        let signature = signer.sign(&message).map_err(|_| ProofError::Key)?;
        Ok(Proof { spki, signature })
    }
}

/// The name in a handshake. Nobody checks it; it lets a proxy tell providers apart.
pub(crate) fn server_name(account: &AccountHash) -> String {
    let text = hex::encode(account.value());
    let (short, _) = text.split_at(32);
    format!("{short}.girrona.internal")
}

/// The one implementation of TLS's algorithms; libp2p has it already.
pub(crate) fn crypto() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

fn moment(seconds: u64) -> Result<time::OffsetDateTime, IdentityError> {
    let moment = i64::try_from(seconds).ok();
    let moment = moment.and_then(|s| time::OffsetDateTime::from_unix_timestamp(s).ok());
    moment.filter(|moment| moment.year() < 9_999).ok_or(IdentityError::Time(seconds))
}

fn malformed(reason: &str) -> Denial {
    Denial::new(Code::CertMalformed, reason)
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Denial> {
    if certificate.len() > CERTIFICATE_MAX {
        return Err(malformed("the certificate is longer than 8 KiB"));
    }
    match X509Certificate::from_der(certificate) {
        Ok(([], read)) => Ok(read),
        Ok(_) => Err(malformed("there is something after the certificate")),
        Err(_) => Err(malformed("this is no X.509 certificate")),
    }
}

/// Reads a certificate. What is in it counts only together with the registry.
pub(crate) fn facts(certificate: &CertificateDer<'_>) -> Result<Facts, Denial> {
    let read = parse(certificate)?;
    let seconds =
        |moment: x509_parser::time::ASN1Time| u64::try_from(moment.timestamp()).unwrap_or(0);
    let mut names = read.subject().iter_common_name();
    let name = names.next().and_then(|name| name.as_str().ok());
    let (Some(name), None) = (name, names.next()) else {
        return Err(malformed("a certificate names one account"));
    };
    Ok(Facts {
        fingerprint: Fingerprint::of(read.public_key().raw),
        name: name.to_owned(),
        not_before: seconds(read.validity().not_before),
        not_after: seconds(read.validity().not_after),
    })
}

impl Facts {
    /// Whether a time, in seconds since 1970, lies in the certificate's.
    pub(crate) fn check_time(&self, now: u64) -> Result<(), Denial> {
        if now.saturating_add(SKEW) < self.not_before {
            return Err(Denial::new(Code::CertExpired, "the certificate is not valid yet"));
        }
        if now > self.not_after {
            return Err(Denial::new(Code::CertExpired, "the certificate ended"));
        }
        Ok(())
    }
}

/// That whoever registers a key has it: nobody can register another's key as his own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The key's public part, as X.509 writes it.
    pub spki: Vec<u8>,
    /// The key's signature over [`proof_message`].
    pub signature: Vec<u8>,
}

/// Why a proof is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProofError {
    /// Neither Ed25519 nor P-256.
    #[error("the key is neither Ed25519 nor ECDSA on P-256")]
    Key,
    /// Signed by another key, or for another account, role or network.
    #[error("the signature is not this key's for this account, role and network")]
    Signature,
}

/// What a proof signs: domain, network, account, role (0 client, 1 server), fingerprint.
fn proof_message(
    network: &NetworkId,
    account: &AccountHash,
    role: Role,
    fingerprint: &Fingerprint,
) -> Vec<u8> {
    let role = match role {
        Role::Client => 0,
        Role::Server => 1,
    };
    let mut message = PROOF_DOMAIN.to_vec();
    message.extend_from_slice(&network.0);
    message.extend_from_slice(&account.value());
    message.push(role);
    message.extend_from_slice(&fingerprint.0);
    message
}

impl Proof {
    /// The key that is proven.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.spki)
    }

    /// The raw key, if it is an Ed25519 one: what a rule needs to check the proof by itself.
    pub fn ed25519(&self) -> Option<PublicKey> {
        let (rest, spki) = SubjectPublicKeyInfo::from_der(&self.spki).ok()?;
        let is_ed25519 =
            rest.is_empty() && spki.algorithm.algorithm.to_id_string() == "1.3.101.112";
        is_ed25519.then(|| PublicKey::ed25519_from_bytes(&spki.subject_public_key.data).ok())?
    }

    /// Whether it proves the key for an account.
    ///
    /// # Errors
    /// [`ProofError`] says why not.
    pub fn verify(
        &self,
        network: &NetworkId,
        account: &AccountHash,
        role: Role,
    ) -> Result<(), ProofError> {
        let message = proof_message(network, account, role, &self.fingerprint());
        if let Some(key) = self.ed25519() {
            let signature = <[u8; 64]>::try_from(self.signature.as_slice());
            let signature = signature.map_err(|_| ProofError::Signature)?;
            let signature = Signature::ed25519(signature).map_err(|_| ProofError::Signature)?;
            return casper_types::crypto::verify(message, &signature, &key)
                .map_err(|_| ProofError::Signature);
        }
        let (rest, spki) =
            SubjectPublicKeyInfo::from_der(&self.spki).map_err(|_| ProofError::Key)?;
        if !rest.is_empty() {
            return Err(ProofError::Key);
        }
        let algorithms = crypto().signature_verification_algorithms;
        let p256 = algorithms.all.iter().find(|algorithm| {
            algorithm.public_key_alg_id() == alg_id::ECDSA_P256
                && algorithm.signature_alg_id() == alg_id::ECDSA_SHA256
        });
        // The one length that an uncompressed P-256 key has in X.509.
        let is_p256 = self.spki.len() == 91;
        let p256 = p256.filter(|_| is_p256).ok_or(ProofError::Key)?;
        p256.verify_signature(&spki.subject_public_key.data, &message, &self.signature)
            .map_err(|_| ProofError::Signature)
    }
}
