//! Why somebody is not let in, or does not go in: a code that programs read and a sentence for
//! people.

use std::{fmt, io};

use axum::{
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use rustls::{AlertDescription, CertificateError, OtherError};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What a program reads. Stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Code {
    /// The key is not registered.
    #[serde(rename = "tls.cert_unknown")]
    CertUnknown,
    /// The certificate, or its registration, ended or has not begun.
    #[serde(rename = "tls.cert_expired")]
    CertExpired,
    /// The key was revoked.
    #[serde(rename = "tls.cert_revoked")]
    CertRevoked,
    /// Neither a certificate nor a token was shown.
    #[serde(rename = "tls.cert_required")]
    CertRequired,
    /// The key is for the other side, or the certificate names another account.
    #[serde(rename = "tls.cert_role")]
    CertRole,
    /// The certificate cannot be read, or there is a chain of them.
    #[serde(rename = "tls.cert_malformed")]
    CertMalformed,
    /// The server is somebody else than the one that was asked for.
    #[serde(rename = "tls.wrong_provider")]
    WrongProvider,
    /// Nothing was heard of the chain for too long.
    #[serde(rename = "tls.registry_stale")]
    RegistryStale,
    /// The connection failed before anybody was judged.
    #[serde(rename = "tls.connect")]
    Connect,
    /// The token cannot be used here.
    #[serde(rename = "token.refused")]
    TokenRefused,
    /// The token ended.
    #[serde(rename = "token.expired")]
    TokenExpired,
    /// The token does not allow this.
    #[serde(rename = "token.scope")]
    TokenScope,
    /// Certificate and token are of different accounts.
    #[serde(rename = "auth.ambiguous")]
    Ambiguous,
    /// The gate has too much to do.
    #[serde(rename = "gate.busy")]
    Busy,
}

/// Why somebody is not let in, or does not go in.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("{code}: {message}")]
pub struct Denial {
    /// For programs.
    pub code: Code,
    /// For people.
    pub message: String,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl Denial {
    /// A code with what to know about it.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// What TLS can say of it to the other side. Each code that a server sends has its own alert;
    /// what only this side reads keeps its words.
    pub(crate) fn for_client(&self) -> rustls::Error {
        let error = match self.code {
            Code::CertUnknown => CertificateError::UnknownIssuer,
            Code::CertExpired => CertificateError::Expired,
            Code::CertRevoked => CertificateError::Revoked,
            Code::CertRole => CertificateError::ApplicationVerificationFailure,
            Code::CertMalformed => CertificateError::BadEncoding,
            _ => return self.for_server(),
        };
        rustls::Error::InvalidCertificate(error)
    }

    /// Carried through TLS unchanged, for whoever made the connection.
    pub(crate) fn for_server(&self) -> rustls::Error {
        let own = OtherError(std::sync::Arc::new(self.clone()));
        rustls::Error::InvalidCertificate(CertificateError::Other(own))
    }

    /// What a failed connection means.
    pub(crate) fn of_tls(error: &rustls::Error) -> Self {
        if let rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(own))) = error
            && let Some(denial) = own.downcast_ref::<Self>()
        {
            return denial.clone();
        }
        let rustls::Error::AlertReceived(alert) = error else {
            return Self::new(Code::Connect, format!("the connection failed: {error}"));
        };
        let (code, message) = match alert {
            AlertDescription::UnknownCA => (
                Code::CertUnknown,
                "the provider does not know our certificate; register it and wait for the block",
            ),
            AlertDescription::CertificateExpired => {
                (Code::CertExpired, "our certificate ended; make and register a new one")
            }
            AlertDescription::CertificateRevoked => {
                (Code::CertRevoked, "our certificate was revoked; make and register a new one")
            }
            AlertDescription::CertificateRequired => {
                (Code::CertRequired, "the provider asks for a certificate; make and register one")
            }
            AlertDescription::AccessDenied => (
                Code::CertRole,
                "our certificate is not a client's, or names another account than the chain does",
            ),
            AlertDescription::BadCertificate => {
                (Code::CertMalformed, "the provider cannot read our certificate; make a new one")
            }
            AlertDescription::CertificateUnknown => (
                Code::RegistryStale,
                "the provider cannot judge certificates now; it does not hear of the chain",
            ),
            other => {
                return Self::new(
                    Code::Connect,
                    format!("the provider ended the handshake: {other:?}"),
                );
            }
        };
        Self::new(code, message)
    }

    /// What a failed read or write means.
    pub(crate) fn of_io(error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        inner.map_or_else(
            || Self::new(Code::Connect, format!("the connection failed: {error}")),
            Self::of_tls,
        )
    }

    /// The same, wherever in the chain of causes it is said.
    pub(crate) fn of_error(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(current) = cause {
            if let Some(io) = current.downcast_ref::<io::Error>() {
                return Self::of_io(io);
            }
            cause = current.source();
        }
        Self::new(Code::Connect, format!("the connection failed: {error}"))
    }

    fn status(&self) -> StatusCode {
        match self.code {
            Code::TokenScope | Code::CertRole => StatusCode::FORBIDDEN,
            Code::Ambiguous => StatusCode::BAD_REQUEST,
            Code::RegistryStale | Code::Busy => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        }
    }
}

impl IntoResponse for Denial {
    fn into_response(self) -> Response {
        let body = serde_json::to_string(&self).unwrap_or_default();
        (self.status(), [(CONTENT_TYPE, "application/json")], body).into_response()
    }
}
