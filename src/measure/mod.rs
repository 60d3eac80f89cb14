//! Measuring: the stages joined to a pipeline, workers that run it, studies that compare them.
//!
//! [`pipeline`] is what is timed, [`worker`] the child process that times it, [`protocol`] the words between it and
//! [`child`], its parent's end; [`study`] plans and runs the arms, [`agreement`], [`checks`] and [`stats`] judge them.

pub mod agreement;
pub mod checks;
pub mod child;
pub mod ground_truth;
pub mod pipeline;
pub mod plan;
pub mod protocol;
pub mod stats;
pub mod study;
pub mod summary;
pub mod worker;
