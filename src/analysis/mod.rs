//! From raw measurements to figures, checks and comparisons: pure functions of records and plain data. No process, no
//! clock, no file.
//!
//! [`figures`] are computed from raw blocks alone, by the [`statistics`] of processes; [`ceiling`] is what the stages
//! allow. [`comparisons`] compares arms with each other, [`agreement`] their answers with the reference's, and
//! [`ground_truth`] with what is known of the photos, [`likeness`] with each other; [`checks`] are made of all of them.
//! [`tenants`], [`fleet`] and [`tuned`] are the figures of sharing, of shards and of a search. [`mod@derive`] puts them
//! together, for a study that measures and for [`audit`] that computes a whole record again: a new figure is a field of
//! [`crate::record::Figures`] and a line there.

pub mod agreement;
pub mod audit;
pub mod ceiling;
pub mod checks;
pub mod comparisons;
pub mod derive;
pub mod figures;
pub mod fleet;
pub mod ground_truth;
pub mod likeness;
pub mod statistics;
pub mod tenants;
pub mod tuned;
