//! What users read, drawn from records and nothing else.

pub mod answer;
pub mod chart;
pub mod comparison;
mod content;
pub mod csv;
mod export;
pub mod fleet;
mod format;
mod grid;
pub mod html;
pub mod markdown;
#[cfg(feature = "png")]
pub mod png;
pub mod published;
mod read;
pub mod size;
pub mod table;
pub mod tenants;
pub mod tuned;
mod visible;

#[cfg(test)]
mod fixture;

pub use export::{ExportError, Format, export, export_as, write};
pub use read::{NotARecord, ReadError, parse, read};
pub use visible::visible;

#[cfg(test)]
mod poisoned;

#[cfg(test)]
mod tests {
    use crate::record::Record;

    /// A record of the fixtures.
    pub(super) fn record(json: serde_json::Value) -> Record {
        serde_json::from_value(json).unwrap()
    }
}
