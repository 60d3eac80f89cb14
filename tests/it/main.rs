//! The integration tests, one binary: one file for each command or promise, and what they share in `common`.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]
#![allow(unreachable_pub, reason = "a test binary is reached by nobody")]

mod common;
#[path = "../../src/report/fixture.rs"]
mod fixture;

mod accelerators;
mod backend_words;
mod backends;
mod bundle;
mod conformance;
mod coordination;
mod critics;
mod demo;
mod faces;
mod faults;
mod fetch;
mod first_use;
mod gpu;
mod layering;
mod monitor;
mod networks;
mod peers;
mod quantize;
mod records;
mod report;
mod run;
mod runtime_install;
mod schema;
mod simulated;
mod size;
mod tenants;
mod tune;
mod words;
