//! The blocks of each component of a frame.

use super::frame::{Component, Frame};

/// Memory that is used again from picture to picture, for the kernel takes long to give so much of it.
#[derive(Default)]
pub(in super::super) struct Workspace {
    pub(super) coefficients: Vec<Vec<[i16; 64]>>,
    pub(super) levels: Vec<Vec<u8>>,
}

/// Coefficients of one component, in whole MCUs.
pub(super) struct Plane {
    /// Blocks that hold something of the picture: what a scan of this component alone has.
    pub(super) used: (usize, usize),
    /// Blocks of a row, those that only fill up MCUs included.
    pub(super) stride: usize,
    /// Each block's coefficients row by row.
    pub(super) coefficients: Vec<[i16; 64]>,
    /// How coarse each coefficient is.
    pub(super) quantization: [u16; 64],
}

/// MCUs of a scan of several components: how many across and down.
pub(super) fn mcus(frame: &Frame) -> (usize, usize) {
    (
        (frame.width as usize).div_ceil(8 * frame.most_across()),
        (frame.height as usize).div_ceil(8 * frame.most_down()),
    )
}

impl Plane {
    /// Of zeros, in `memory`.
    pub(super) fn of(frame: &Frame, component: &Component, mut memory: Vec<[i16; 64]>) -> Self {
        let (across, down) = mcus(frame);
        let stride = across * component.across;
        let (width, height) = frame.samples(component);
        memory.clear();
        memory.resize(stride * down * component.down, [0; 64]);
        Self {
            used: (width.div_ceil(8), height.div_ceil(8)),
            stride,
            coefficients: memory,
            quantization: [1; 64],
        }
    }
}
