//! Runs assemblies: WASI modules and components in a sandbox with limits.
//!
//! Knows: wasmtime, WASI, what a guest may see and use. Does not know: the network, who asked, what
//! it costs.

#![deny(unsafe_code)]
