//! Records on disk: written in one step, pairs of numbers on one line.

use std::{
    io::{self, Write},
    path::Path,
};

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use super::Record;
use crate::files::write_atomic;

impl Record {
    /// Writes the record to `path` in one step: a reader sees the old file or the new one, never half of one.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        write_atomic(path, self.to_text()?.as_bytes())
    }

    /// The record as JSON text, a line break at its end.
    pub fn to_text(&self) -> io::Result<String> {
        let mut text = Vec::new();
        self.serialize(&mut Serializer::with_formatter(&mut text, Compact::default()))?;
        text.push(b'\n');
        String::from_utf8(text).map_err(io::Error::other)
    }

    /// Reads a record of this version or an older one.
    pub fn load(path: &Path) -> io::Result<Self> {
        let value = super::to_current(serde_json::from_slice(&std::fs::read(path)?)?);
        Ok(serde_json::from_value(value.map_err(io::Error::other)?)?)
    }
}

/// Pretty JSON in which an array within an array is one line: histograms are long lists of pairs.
#[derive(Default)]
struct Compact {
    pretty: PrettyFormatter<'static>,
    /// Arrays that are open.
    arrays: usize,
    /// Arrays that were open when the innermost object began.
    outside: Vec<usize>,
}

impl Compact {
    fn inline(&self) -> bool {
        self.arrays - self.outside.last().copied().unwrap_or(0) > 1
    }
}

impl Formatter for Compact {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.arrays += 1;
        if self.inline() {
            writer.write_all(b"[")
        } else {
            self.pretty.begin_array(writer)
        }
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        let inline = self.inline();
        self.arrays -= 1;
        if inline {
            writer.write_all(b"]")
        } else {
            self.pretty.end_array(writer)
        }
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        match (self.inline(), first) {
            (true, true) => Ok(()),
            (true, false) => writer.write_all(b", "),
            (false, _) => self.pretty.begin_array_value(writer, first),
        }
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.inline() {
            Ok(())
        } else {
            self.pretty.end_array_value(writer)
        }
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.outside.push(self.arrays);
        self.pretty.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.outside.pop();
        self.pretty.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.pretty.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_take_one_line_and_the_value_stays() {
        let value = serde_json::json!({"a": [[1, 2], [3, 4]], "b": [{"c": [[5, 6]]}, {}], "d": []});
        let mut text = Vec::new();
        value
            .serialize(&mut Serializer::with_formatter(&mut text, Compact::default()))
            .unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.contains("\n    [1, 2],\n    [3, 4]\n  ]") && text.contains("\n        [5, 6]\n"),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
