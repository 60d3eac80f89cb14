//! Measuring: the stages joined to a pipeline, workers that run it, studies that compare them.
//!
//! [`pipeline`] is what is timed, [`worker`] the child process that times it, [`protocol`] the words between it and
//! [`child`], its parent's end; [`study`] runs the arms of a [`plan`]; [`figures`] are computed from raw blocks alone,
//! [`comparisons`] and [`stats`] hold arms against each other; [`agreement`] and [`checks`] judge them. [`merge`] puts
//! records together, [`witness`] joins to them what a hypervisor saw, [`audit`] computes them again. [`tune`] searches the
//! best setting of a SPEC, [`tenants`] says what sharing costs, [`meeting`] keeps the machines in step that share, [`fleet`]
//! what shards come to, [`size`] counts the machines that serve a load.

pub mod agreement;
pub mod audit;
pub mod ceiling;
pub mod checks;
pub mod child;
pub mod comparisons;
pub mod figures;
pub mod fleet;
pub mod ground_truth;
pub mod interruption;
pub mod meeting;
pub mod merge;
pub mod pipeline;
pub mod place;
pub mod plan;
pub mod protocol;
pub mod size;
pub mod stats;
pub mod study;
pub mod summary;
pub mod tenants;
pub mod tune;
pub mod wall_clock;
pub mod witness;
pub mod worker;
