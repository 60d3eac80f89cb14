//! The parts of a JPEG file, one after another: marker segments, and scans with their entropy-coded data.

use memchr::memchr;

pub(super) const START_OF_IMAGE: u8 = 0xD8;
pub(super) const END_OF_IMAGE: u8 = 0xD9;
pub(super) const START_OF_SCAN: u8 = 0xDA;
pub(super) const HUFFMAN_TABLES: u8 = 0xC4;
pub(super) const QUANTIZATION_TABLES: u8 = 0xDB;
pub(super) const RESTART_INTERVAL: u8 = 0xDD;

/// One part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// A marker and what its length says belongs to it.
    Segment { marker: u8, body: &'a [u8] },
    /// The head of a scan, and its data up to the next marker that is no restart marker.
    Scan { head: &'a [u8], data: &'a [u8] },
    /// Nothing of this picture comes after this.
    End(End),
}

/// How a picture ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum End {
    /// With the mark of an end, which begins at this byte.
    Marked(usize),
    /// Within entropy-coded data or between segments: the file ends, or another picture begins.
    Unmarked,
    /// Within a segment.
    InSegment,
}

/// Steps through the parts of a file.
pub(super) struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    /// From the first segment of `bytes`, which begin with the mark of a start.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 2 }
    }

    /// The next part. After an [`End`] there is none.
    pub(super) fn next(&mut self) -> Part<'a> {
        loop {
            // Bytes that do not belong there are passed over, as every decoder does.
            let Some(marker) = self.marker() else {
                return Part::End(End::Unmarked);
            };
            match marker {
                END_OF_IMAGE => return Part::End(End::Marked(self.at - 2)),
                // Another picture: its segments are not this one's.
                START_OF_IMAGE => return Part::End(End::Unmarked),
                // Markers without a segment.
                0x01 | 0xD0..=0xD7 => continue,
                _ => {}
            }
            let Some(body) = self.body() else {
                return Part::End(End::InSegment);
            };
            if marker == START_OF_SCAN {
                let length = entropy_coded(&self.bytes[self.at..]);
                let data = &self.bytes[self.at..self.at + length];
                self.at += length;
                return Part::Scan { head: body, data };
            }
            return Part::Segment { marker, body };
        }
    }

    /// Steps over the next marker.
    fn marker(&mut self) -> Option<u8> {
        loop {
            self.at += memchr(0xFF, self.bytes.get(self.at..)?)?;
            while self.bytes.get(self.at)? == &0xFF {
                self.at += 1;
            }
            let marker = self.bytes[self.at];
            self.at += 1;
            if marker != 0 {
                return Some(marker);
            }
        }
    }

    /// Steps over what the length of a segment covers.
    fn body(&mut self) -> Option<&'a [u8]> {
        let length = self.bytes.get(self.at..self.at + 2)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let body = self.bytes.get(self.at + 2..self.at + length.max(2))?;
        self.at += length.max(2);
        Some(body)
    }
}

/// How many of the first `bytes` are entropy-coded data, restart markers included.
fn entropy_coded(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = memchr(0xFF, &bytes[at..]) {
        let start = at + found;
        at = start + 1;
        while bytes.get(at) == Some(&0xFF) {
            at += 1;
        }
        match bytes.get(at) {
            Some(0 | 0xD0..=0xD7) => at += 1,
            Some(_) => return start,
            None => return bytes.len(),
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_ends_at_a_marker_that_is_no_restart_marker() {
        assert_eq!(entropy_coded(b"\x01\xFF\x00\xFF\xD3\x02\xFF\xFF\xD9"), 6);
        assert_eq!(entropy_coded(b"\x01\xFF\x00"), 3);
        assert_eq!(entropy_coded(b"\x01\xFF"), 2);
    }

    #[test]
    fn a_picture_ends_where_another_begins_and_thumbnails_are_stepped_over() {
        let parts = |bytes| {
            let mut segments = Segments::of(bytes);
            std::iter::from_fn(move || Some(segments.next()))
        };
        let whole = b"\xFF\xD8\xFF\xE1\x00\x06\xFF\xD8\xFF\xD9\xFF\xDA\x00\x03h\x11\x22\xFF\xD9";
        let scan = Part::Scan {
            head: b"h",
            data: b"\x11\x22",
        };
        let found: Vec<_> = parts(whole).take(3).collect();
        assert_eq!(found[1..], [scan, Part::End(End::Marked(17))]);
        let cut = b"\xFF\xD8\xFF\xDA\x00\x03h\x11\x22\xFF\xD8\xFF\xD9";
        assert_eq!(parts(cut).nth(1), Some(Part::End(End::Unmarked)));
        assert_eq!(
            parts(b"\xFF\xD8\xFF\xE1\x00\x06\xFF").next(),
            Some(Part::End(End::InSegment))
        );
    }
}
