//! Executing an assembly together: who executes, that they hold it, and what their results prove.

pub mod certificate;
pub mod outcome;
pub mod possession;
pub mod register;
pub mod select;

pub use certificate::{Agreement, Certificate, CertificateError, Evidence, EvidenceError, Tally};
pub use outcome::{End, Outcome, Stopped, Trap};
pub use possession::Challenge;
pub use register::{Ending, Register, Start};
pub use select::{Candidate, Selection, selected};
