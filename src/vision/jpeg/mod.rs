//! JPEG files: what their segments say, and a decoder that follows the standard to the letter. It is for what the quick
//! decoders cannot be trusted with: unusual sampling and scans, and files of which it must be known whether all is there.

mod bits;
mod decoder;
#[cfg(test)]
mod differential;
#[cfg(test)]
pub(super) mod encoder;
mod frame;
mod huffman;
mod idct;
mod pixels;
mod planes;
mod scan;
mod segments;
mod structure;

pub(super) use decoder::JpegDecoder;
pub(super) use frame::Colours;
pub(super) use planes::Workspace;
pub(super) use structure::{Structure, header};

use thiserror::Error;

/// Why a JPEG cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Fault {
    /// The data stops before every block of every component has been given.
    #[error("the data stops early")]
    Short,
    /// A whole file of a kind that is not read, by its name.
    #[error("{0}")]
    Unsupported(&'static str),
    /// It breaks the standard.
    #[error("{0}")]
    Broken(&'static str),
}

/// Decodes all of `bytes`, whose structure is `structure`, to 8-bit RGB. `memory` is used again for the pixels. The file
/// itself says what its components are, or, within another format, that one.
pub(super) fn decode_as(
    bytes: &[u8],
    structure: &Structure<'_>,
    colours: Colours,
    workspace: &mut Workspace,
    memory: Vec<u8>,
) -> Result<Vec<u8>, Fault> {
    let planes = scan::decode(bytes, structure, workspace)?;
    Ok(pixels::rgb(&structure.frame, colours, planes, workspace, memory))
}

/// Decodes one picture.
#[cfg(test)]
fn decode(bytes: &[u8], structure: &Structure<'_>, memory: Vec<u8>) -> Result<Vec<u8>, Fault> {
    decode_as(
        bytes,
        structure,
        structure.colours(),
        &mut Workspace::default(),
        memory,
    )
}
