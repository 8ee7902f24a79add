//! Error numbers of WASI preview 1.

use crate::{host::Fault, limiter::Halt};

/// An error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errno {
    BadDescriptor,
    Exists,
    Fault,
    IllegalBytes,
    Invalid,
    IsFolder,
    TooManyOpen,
    LongName,
    NoEntry,
    NotFolder,
    NotEmpty,
    NotSocket,
    Unsupported,
    ReadOnly,
    NoSeek,
    NotCapable,
}

impl Errno {
    /// As the interface numbers them.
    pub(super) const fn number(self) -> i32 {
        match self {
            Self::BadDescriptor => 8,
            Self::Exists => 20,
            Self::Fault => 21,
            Self::IllegalBytes => 25,
            Self::Invalid => 28,
            Self::IsFolder => 31,
            Self::TooManyOpen => 33,
            Self::LongName => 37,
            Self::NoEntry => 44,
            Self::NotFolder => 54,
            Self::NotEmpty => 55,
            Self::NotSocket => 57,
            Self::Unsupported => 58,
            Self::ReadOnly => 69,
            Self::NoSeek => 70,
            Self::NotCapable => 76,
        }
    }
}

/// Why a call has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The guest is told.
    Errno(Errno),
    /// The guest ends.
    Halt(Halt),
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<Halt> for Refusal {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Errno(match fault {
            Fault::NoEntry => Errno::NoEntry,
            Fault::NotFolder => Errno::NotFolder,
            Fault::IsFolder => Errno::IsFolder,
            Fault::Exists => Errno::Exists,
            Fault::NotEmpty => Errno::NotEmpty,
            Fault::ReadOnly => Errno::ReadOnly,
            Fault::Outside => Errno::NotCapable,
            Fault::Invalid => Errno::Invalid,
            Fault::LongName => Errno::LongName,
            Fault::BadName => Errno::IllegalBytes,
            Fault::Halt(halt) => return Self::Halt(halt),
        })
    }
}
