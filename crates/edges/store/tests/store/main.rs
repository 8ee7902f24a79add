//! The store against a chain that is computed in memory: what it holds, what it still holds after
//! it was killed, and what it says about damage.

mod chain;
mod damage;
mod events;
mod growth;
mod history;
mod kill;
mod lookups;
mod points;
mod root;
