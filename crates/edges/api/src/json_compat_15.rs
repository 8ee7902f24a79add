//! Casper 1.5's JSON where `casper-types` 7 writes another.
//!
//! The differences: entry point types (`Session`, `Contract`), a package's groups and disabled
//! versions, Wasm as a hex text, keys inside `parsed`, and the prefix of the system registry.
//! Everything else is written by casper-types itself. Writing does not build a tree in memory,
//! except for `parsed`, which is bounded by the bytes it comes from.

mod cl_value;
mod deploy;
mod execution;
mod key;
mod schema;
mod stored_value;

use std::ops::Deref;

use casper_types::{Deploy, StoredValue, account::Account, execution::ExecutionResultV1};

pub use cl_value::CLValue15;
pub use key::{format_key, parse_key};

/// Makes a type that is written as Casper 1.5 writes the type inside.
macro_rules! wrapper {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(pub $inner);

        impl From<$inner> for $name {
            fn from(inner: $inner) -> Self {
                Self(inner)
            }
        }

        impl From<$name> for $inner {
            fn from(outer: $name) -> Self {
                outer.0
            }
        }

        impl Deref for $name {
            type Target = $inner;

            fn deref(&self) -> &$inner {
                &self.0
            }
        }
    };
}

wrapper! {
    /// A deploy.
    Deploy15(Deploy)
}
wrapper! {
    /// What came of a deploy.
    ExecutionResult15(ExecutionResultV1)
}
wrapper! {
    /// A value of state.
    StoredValue15(StoredValue)
}
wrapper! {
    /// An account.
    Account15(Account)
}
