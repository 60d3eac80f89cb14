//! What people read, drawn from records and nothing else.

pub mod answer;
pub mod chart;
pub mod html;
pub mod published;
pub mod table;
