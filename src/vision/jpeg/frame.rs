//! The frame of a JPEG: its size, its components and how they are sampled, and the kinds of file that are not read.

use super::Fault;

/// One component of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Component {
    pub(super) id: u8,
    /// Samples of it where the densest component has [`Frame::most_across`].
    pub(in super::super) across: usize,
    /// Samples of it where the densest component has [`Frame::most_down`].
    pub(in super::super) down: usize,
    /// Which quantization table is its.
    pub(super) table: usize,
}

/// What the frame header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Frame {
    pub(in super::super) width: u32,
    pub(in super::super) height: u32,
    pub(in super::super) components: Vec<Component>,
    pub(in super::super) progressive: bool,
    /// Arithmetic instead of Huffman coding.
    pub(in super::super) arithmetic: bool,
}

/// What the components are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Colours {
    Grey,
    YCbCr,
    Rgb,
    /// Stored inverted, as Adobe's programs do and all readers take it.
    Cmyk,
    /// CMYK of which the first three are as YCbCr.
    Ycck,
}

impl Frame {
    /// Reads a frame header. `None` where `marker` begins none.
    pub(super) fn of(marker: u8, body: &[u8]) -> Result<Option<Self>, Fault> {
        let (progressive, arithmetic) = match marker {
            0xC0 | 0xC1 => (false, false),
            0xC2 => (true, false),
            0xC9 => (false, true),
            0xCA => (true, true),
            0xC3 | 0xCB => return Err(Fault::Unsupported("lossless JPEG")),
            0xC5..=0xC7 | 0xCD..=0xCF | 0xDE => return Err(Fault::Unsupported("hierarchical JPEG")),
            0xF7 => return Err(Fault::Unsupported("JPEG-LS")),
            _ => return Ok(None),
        };
        let [precision, h1, h2, w1, w2, count, components @ ..] = body else {
            return Err(Fault::Broken("the frame header is too short"));
        };
        match precision {
            8 => {}
            12 => return Err(Fault::Unsupported("JPEG of 12 bits a sample")),
            16 => return Err(Fault::Unsupported("JPEG of 16 bits a sample")),
            _ => return Err(Fault::Broken("samples are neither of 8 nor of 12 nor of 16 bits")),
        }
        let components: Vec<Component> = components
            .as_chunks::<3>()
            .0
            .iter()
            .take(usize::from(*count))
            .map(|&[id, sampling, table]| Component {
                id,
                across: usize::from(sampling >> 4),
                down: usize::from(sampling & 15),
                table: usize::from(table),
            })
            .collect();
        if components.len() != usize::from(*count) || components.is_empty() {
            return Err(Fault::Broken("the frame header is too short"));
        }
        for (index, component) in components.iter().enumerate() {
            let sampled = |factor| (1..=4).contains(&factor);
            if !sampled(component.across) || !sampled(component.down) || component.table > 3 {
                return Err(Fault::Broken("a component's sampling or table is out of range"));
            }
            if components[..index].iter().any(|other| other.id == component.id) {
                return Err(Fault::Broken("two components have one number"));
            }
        }
        if ![1, 3, 4].contains(&components.len()) {
            return Err(Fault::Unsupported(
                "JPEG of neither one nor three nor four components",
            ));
        }
        Ok(Some(Self {
            width: u32::from(u16::from_be_bytes([*w1, *w2])),
            height: u32::from(u16::from_be_bytes([*h1, *h2])),
            components,
            progressive,
            arithmetic,
        }))
    }

    /// The densest sampling along rows.
    pub(in super::super) fn most_across(&self) -> usize {
        self.components.iter().map(|c| c.across).max().unwrap_or(1)
    }

    /// The densest sampling along columns.
    pub(in super::super) fn most_down(&self) -> usize {
        self.components.iter().map(|c| c.down).max().unwrap_or(1)
    }

    /// How each component is sampled, along rows and along columns.
    pub(in super::super) fn sampling(&self) -> Vec<(usize, usize)> {
        self.components.iter().map(|c| (c.across, c.down)).collect()
    }

    /// Width and height in samples of a component.
    pub(super) fn samples(&self, component: &Component) -> (usize, usize) {
        (
            (self.width as usize * component.across).div_ceil(self.most_across()),
            (self.height as usize * component.down).div_ceil(self.most_down()),
        )
    }

    /// Blocks of a component.
    pub(super) fn blocks_of(&self, component: &Component) -> usize {
        let (width, height) = self.samples(component);
        width.div_ceil(8) * height.div_ceil(8)
    }

    /// Blocks of all components.
    pub(super) fn blocks(&self) -> usize {
        self.components.iter().map(|c| self.blocks_of(c)).sum()
    }

    /// What the components are, by the rules of libjpeg, which every reader follows.
    pub(super) fn colours(&self, jfif: bool, adobe: Option<u8>) -> Colours {
        match (self.components.len(), adobe) {
            (1, _) => Colours::Grey,
            (3, _) if jfif => Colours::YCbCr,
            (3, Some(0)) => Colours::Rgb,
            (3, Some(_)) => Colours::YCbCr,
            (3, None) => {
                let ids = [0, 1, 2].map(|index| self.components[index].id);
                if ids == *b"RGB" {
                    Colours::Rgb
                } else {
                    Colours::YCbCr
                }
            }
            (_, None | Some(0)) => Colours::Cmyk,
            _ => Colours::Ycck,
        }
    }
}
