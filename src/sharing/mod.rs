//! Several that share: tenants on one device, machines in step, shards of one dataset, and what the device's host saw.
//!
//! [`tenants`] measures workers at the same time on one machine, [`coordinated`] on several that [`coordination`] keeps in
//! step; `group` is the workers of one round, and [`window`] the time in which all of them were at work. [`merge`] puts
//! records together, [`merge_coordinated`] those of one coordinated run, and [`host_log`] joins to them what a hypervisor
//! logged.

pub mod coordinated;
pub mod coordination;
mod group;
pub mod host_log;
pub mod merge;
pub mod merge_coordinated;
pub mod tenants;
pub mod window;
