//! The first directory of a TIFF file, which is also what an EXIF block is: single values of its tags, and the orientation.

use image::metadata::Orientation;

const ORIENTATION: u16 = 274;

/// The first directory of a file.
pub(super) struct Directory<'a> {
    bytes: &'a [u8],
    little: bool,
    big_tiff: bool,
    /// Where the entries begin, and how many there are.
    entries: (usize, usize),
}

/// One entry: type, number of values, and where the values or their place stand.
struct Entry {
    kind: u16,
    count: u64,
    value: usize,
}

impl<'a> Directory<'a> {
    /// The first directory of `bytes`, which begin with a TIFF header (that of `BigTIFF` too).
    pub(super) fn of(bytes: &'a [u8]) -> Option<Self> {
        let little = match bytes.get(..2)? {
            b"II" => true,
            b"MM" => false,
            _ => return None,
        };
        let mut directory = Self {
            bytes,
            little,
            big_tiff: false,
            entries: (0, 0),
        };
        directory.big_tiff = match directory.number(2, 2)? {
            42 => false,
            43 => true,
            _ => return None,
        };
        let wide = directory.big_tiff;
        let at = usize::try_from(if wide {
            directory.number(8, 8)?
        } else {
            directory.number(4, 4)?
        })
        .ok()?;
        let width = if wide { 8 } else { 2 };
        let count = usize::try_from(directory.number(at, width)?).ok()?;
        // A directory that is cut still has its first entries.
        let room = bytes.len().saturating_sub(at + width) / directory.entry_bytes();
        directory.entries = (at + width, count.min(room));
        Some(directory)
    }

    fn entry_bytes(&self) -> usize {
        if self.big_tiff { 20 } else { 12 }
    }

    /// A whole number of `width` bytes.
    fn number(&self, at: usize, width: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(width)?)?;
        let join = |all: u64, byte: &u8| all << 8 | u64::from(*byte);
        Some(if self.little {
            bytes.iter().rev().fold(0, join)
        } else {
            bytes.iter().fold(0, join)
        })
    }

    fn entry(&self, tag: u16) -> Option<Entry> {
        let (start, count) = self.entries;
        let size = self.entry_bytes();
        let at = (0..count)
            .map(|index| start + index * size)
            .find(|at| self.number(*at, 2) == Some(u64::from(tag)))?;
        let wide = if self.big_tiff { 8 } else { 4 };
        Some(Entry {
            kind: self.number(at + 2, 2)? as u16,
            count: self.number(at + 4, wide)?,
            value: at + 4 + wide,
        })
    }

    /// Whether there is such a tag.
    pub(super) fn has(&self, tag: u16) -> bool {
        self.entry(tag).is_some()
    }

    /// The first value of a tag that holds whole numbers, of whatever type.
    pub(super) fn first(&self, tag: u16) -> Option<u64> {
        let (at, width) = self.place(tag)?;
        self.number(at, width)
    }

    /// Where the first value of a tag stands that holds whole numbers, and how many bytes it has.
    pub(super) fn place(&self, tag: u16) -> Option<(usize, usize)> {
        let entry = self.entry(tag)?;
        let width = match entry.kind {
            1 | 6 | 7 => 1,
            3 | 8 => 2,
            4 | 9 | 13 => 4,
            16..=18 => 8,
            _ => return None,
        };
        let inside = if self.big_tiff { 8 } else { 4 };
        let at = match entry.count {
            0 => return None,
            count if count.checked_mul(width as u64)? <= inside => entry.value,
            _ => usize::try_from(self.number(entry.value, inside as usize)?).ok()?,
        };
        Some((at, width))
    }

    /// Whether numbers are stored lowest byte first.
    pub(super) fn is_little_endian(&self) -> bool {
        self.little
    }

    /// How the picture must be turned to be seen as it was taken.
    pub(super) fn orientation(&self) -> Orientation {
        self.first(ORIENTATION)
            .and_then(|value| u8::try_from(value).ok())
            .and_then(Orientation::from_exif)
            .unwrap_or(Orientation::NoTransforms)
    }
}

/// The orientation of an EXIF block, with or without the words that stand before it in a JPEG.
pub(super) fn orientation(exif: &[u8]) -> Orientation {
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    Directory::of(exif).map_or(Orientation::NoTransforms, |directory| directory.orientation())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An EXIF block with an orientation of 6 of this type, in this byte order.
    fn block(kind: u8, little: bool) -> Vec<u8> {
        let width = match kind {
            1 | 6 => 1,
            3 | 8 => 2,
            _ => 4,
        };
        let mut value = [0; 4];
        value[if little { 0 } else { width - 1 }] = 6;
        let mut bytes = if little {
            b"II*\0\x08\0\0\0\x01\0\x12\x01".to_vec()
        } else {
            b"MM\0*\0\0\0\x08\0\x01\x01\x12".to_vec()
        };
        bytes.extend(if little {
            [kind, 0, 1, 0, 0, 0]
        } else {
            [0, kind, 0, 0, 0, 1]
        });
        bytes.extend(value);
        bytes.extend([0; 4]);
        bytes
    }

    #[test]
    fn every_type_of_whole_number_counts() {
        for kind in [1, 3, 4, 6, 8, 9] {
            for little in [true, false] {
                assert_eq!(
                    orientation(&block(kind, little)),
                    Orientation::Rotate90,
                    "{kind} {little}"
                );
            }
        }
        let with_words = [b"Exif\0\0".to_vec(), block(3, true)].concat();
        assert_eq!(orientation(&with_words), Orientation::Rotate90);
        // Text is no number.
        assert_eq!(orientation(&block(2, true)), Orientation::NoTransforms);
    }

    #[test]
    fn a_cut_block_says_nothing() {
        let whole = block(4, false);
        for length in 0..whole.len() - 4 {
            assert_eq!(
                orientation(&whole[..length]),
                Orientation::NoTransforms,
                "{length}"
            );
        }
    }
}
