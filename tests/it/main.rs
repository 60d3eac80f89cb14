//! The integration tests, as one binary: a file for each command or subject; `common` holds what they share.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]
#![allow(clippy::disallowed_methods, reason = "tests choose the names of their files")]
#![allow(unreachable_pub, reason = "a test binary has no users")]

mod common;
#[path = "../../src/report/fixture.rs"]
mod fixture;

mod accelerators;
mod backend_names;
mod backends;
mod bundle;
mod cheats;
mod conformance;
mod coordination;
mod critics;
mod demo;
mod external_weights;
mod faces;
mod faults;
mod feeding;
mod fetch;
mod first_use;
mod gpu;
mod hostile_networks;
mod kept;
mod layering;
mod leftovers;
mod messages;
mod monitor;
mod networks;
mod outside;
mod peers;
mod pictures;
mod quantize;
mod records;
mod report;
mod run;
mod runtime_install;
mod schema;
mod simulated;
mod size;
mod telemetry;
mod tenants;
mod tune;
mod untrusted;
