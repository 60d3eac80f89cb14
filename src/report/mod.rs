//! What people read, drawn from records and nothing else.

pub mod table;
