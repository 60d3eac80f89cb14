//! What the segments of a JPEG say: frame, scans, metadata, and how the file ends. Entropy-coded data is stepped over.

use image::metadata::Orientation;

use super::{
    Fault,
    frame::{Colours, Frame},
    segments::{End, HUFFMAN_TABLES, Part, Segments},
};
use crate::vision::ifd;

/// No encoder goes over all blocks as often (the usual script: six times); a file of few bytes that did could keep a
/// decoder busy for minutes.
const MOST_VISITS: usize = 20;

/// Blocks that may be visited in any case: less than a second.
const FREE_VISITS: usize = 10_000_000;

/// What a file says about its picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Structure<'a> {
    pub(in super::super) frame: Frame,
    /// The first EXIF block, without the words before its TIFF header.
    exif: Option<&'a [u8]>,
    jfif: bool,
    adobe: Option<u8>,
    /// Components of each scan.
    pub(in super::super) scans: Vec<u8>,
    /// Whether there are Huffman tables before the first scan.
    pub(in super::super) has_tables: bool,
    /// Every coefficient has its last bit, as far as the heads of the scans say.
    pub(in super::super) in_full: bool,
    pub(in super::super) end: End,
}

/// Reads what comes before the first scan: size and metadata.
pub(in super::super) fn header(bytes: &[u8]) -> Result<Structure<'_>, Fault> {
    Structure::up_to(bytes, true)
}

impl<'a> Structure<'a> {
    /// Reads the structure of the whole file.
    pub(in super::super) fn of(bytes: &'a [u8]) -> Result<Self, Fault> {
        Self::up_to(bytes, false)
    }

    fn up_to(bytes: &'a [u8], first_scan: bool) -> Result<Self, Fault> {
        let mut frame = None;
        let (mut exif, mut jfif, mut adobe, mut has_tables) = (None, false, None, false);
        let mut scans = Vec::new();
        let mut coverage = Coverage {
            lacking: [[0; 64]; 4],
            visits: 0,
        };
        let mut segments = Segments::of(bytes);
        let end = loop {
            match segments.next() {
                // An application's segments that come after a scan belong to no decoder's header.
                Part::Segment { marker, body } => match marker {
                    0xE0 => jfif |= body.starts_with(b"JFIF\0"),
                    0xE1 if scans.is_empty() => {
                        // The second zero is padding, which some programs do not write as zero.
                        exif = exif.or(body.strip_prefix(b"Exif\0").and_then(|exif| exif.get(1..)));
                    }
                    0xEE if body.starts_with(b"Adobe") => adobe = body.get(11).copied().or(adobe),
                    HUFFMAN_TABLES => has_tables |= scans.is_empty(),
                    _ => {
                        if let Some(found) = Frame::of(marker, body)?
                            && frame.replace(found).is_some()
                        {
                            return Err(Fault::Broken("there are two frames"));
                        }
                    }
                },
                Part::Scan { head, .. } => {
                    let Some(frame) = &frame else {
                        return Err(Fault::Broken("a scan comes before the frame header"));
                    };
                    if first_scan {
                        break End::Unmarked;
                    }
                    scans.push(head.first().copied().unwrap_or(0));
                    coverage.add(frame, head);
                    if coverage.visits > frame.blocks() * MOST_VISITS + FREE_VISITS {
                        return Err(Fault::Broken("there are far more scans than a picture needs"));
                    }
                }
                Part::End(end) => break end,
            }
        };
        let frame = frame.ok_or(Fault::Short)?;
        if scans.is_empty() && !first_scan {
            return Err(Fault::Short);
        }
        Ok(Self {
            in_full: coverage.in_full(&frame),
            frame,
            exif,
            jfif,
            adobe,
            scans,
            has_tables,
            end,
        })
    }

    /// What the components are.
    pub(in super::super) fn colours(&self) -> Colours {
        self.frame.colours(self.jfif, self.adobe)
    }

    /// How the picture must be turned to be seen as it was taken.
    pub(in super::super) fn orientation(&self) -> Orientation {
        self.exif.map_or(Orientation::NoTransforms, ifd::orientation)
    }

    /// Whether everything comes in one scan of a sequential frame.
    pub(in super::super) fn in_one_scan(&self) -> bool {
        !self.frame.progressive && self.scans == [self.frame.components.len() as u8]
    }
}

/// How exactly each coefficient of each component is known, by the heads of scans.
struct Coverage {
    /// For each component and coefficient: 0 for not at all, else 1 more than the bits that lack.
    lacking: [[u8; 64]; 4],
    /// Blocks that are gone over in all scans.
    visits: usize,
}

impl Coverage {
    fn add(&mut self, frame: &Frame, head: &[u8]) {
        let Some((&count, rest)) = head.split_first() else {
            return;
        };
        let Some((selectors, [first, last, bits])) = rest.split_at_checked(usize::from(count) * 2) else {
            return;
        };
        for selector in selectors.as_chunks::<2>().0 {
            let Some(index) = frame.components.iter().position(|c| c.id == selector[0]) else {
                continue;
            };
            self.visits += frame.blocks_of(&frame.components[index]);
            if frame.progressive {
                let range = usize::from(*first)..=usize::from(*last).min(63);
                for lacking in self.lacking[index].get_mut(range).into_iter().flatten() {
                    *lacking = 1 + (bits & 15);
                }
            } else {
                self.lacking[index] = [1; 64];
            }
        }
    }

    fn in_full(&self, frame: &Frame) -> bool {
        let components = self.lacking.iter().take(frame.components.len());
        components.flatten().all(|&lacking| lacking == 1)
    }
}
