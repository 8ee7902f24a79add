//! The sandbox against guests that mean harm, and the same result everywhere for those that do not.

mod alike;
mod code;
mod fair;
mod limits;
mod outside;
mod support;
mod work;
