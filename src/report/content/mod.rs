//! What reports show: one file a table. How it looks is for the terminal, Markdown and the page to say.

pub(super) mod arms;
pub(super) mod blocks;
pub(super) mod ceiling;
pub(super) mod checks;
pub(super) mod comparisons;
pub(super) mod curve;
pub(super) mod fleet;
pub(super) mod latency;
pub(super) mod machine;
pub(super) mod made;
pub(super) mod quality;
pub(super) mod remarks;
pub(super) mod search;
pub(super) mod setup;
pub(super) mod sources;
pub(super) mod stages;
pub(super) mod strata;
pub(super) mod tenants;
pub(super) mod tune;
pub(super) mod witness;
