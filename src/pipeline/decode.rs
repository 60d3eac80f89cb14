//! Encoded bytes to pixels: each photo of a run in a slot of its own, by the pixel pool.

use std::sync::Arc;

use crate::{
    runtime::options::Decoding,
    vision::{
        align,
        decoder::Decoder,
        encoded::{DecodeError, Limits},
        face::Detection,
        photo::{DecodedPhoto, Scale},
        pixel_pool::PixelPool,
        resize::Letterbox,
    },
};

/// Decodes the photos of a run.
pub(super) struct PhotoDecoder {
    decoding: Decoding,
    swap_channels: bool,
    limits: Limits,
    pixel_pool: Arc<PixelPool>,
    slots: Vec<DecodeSlot>,
}

impl PhotoDecoder {
    /// With red and blue exchanged where that fault is planted.
    pub(super) fn new(
        decoding: Decoding,
        swap_channels: bool,
        limits: Limits,
        pixel_pool: Arc<PixelPool>,
    ) -> Self {
        Self {
            decoding,
            swap_channels,
            limits,
            pixel_pool,
            slots: Vec::new(),
        }
    }

    /// Decodes `encoded` to the first `photos`, no larger than a detector with this `canvas` and the recognizer need.
    pub(super) fn decode<B: AsRef<[u8]> + Sync>(
        &mut self,
        encoded: &[B],
        canvas: (usize, usize),
        photos: &mut Vec<DecodedPhoto>,
    ) -> Result<(), DecodeError> {
        let canvas = (canvas.0 as u32, canvas.1 as u32);
        let scale = |size| match self.decoding {
            Decoding::Full => Scale::Full,
            // The detector sees no less than it would.
            Decoding::Scaled => Scale::not_below(size, Letterbox::fit(size, canvas).scaled),
        };
        let limits = self.limits;
        let count = encoded.len();
        self.slots
            .resize_with(self.slots.len().max(count), || DecodeSlot::new(limits));
        photos.resize_with(photos.len().max(count), DecodedPhoto::default);
        let swap = self.swap_channels;
        let work = encoded.iter().zip(&mut self.slots).zip(photos);
        self.pixel_pool.each(work, |((bytes, slot), photo)| {
            slot.decode(bytes.as_ref(), scale, swap, photo);
        });
        self.outcome(count)
    }

    /// Decodes again, larger, what was decoded too small for a face that was `found` in it.
    pub(super) fn decode_larger<B: AsRef<[u8]> + Sync>(
        &mut self,
        encoded: &[B],
        found: &[Vec<Detection>],
        photos: &mut [DecodedPhoto],
    ) -> Result<(), DecodeError> {
        if self.decoding == Decoding::Full {
            return Ok(());
        }
        let swap = self.swap_channels;
        let work = encoded.iter().zip(&mut self.slots).zip(photos).zip(found);
        self.pixel_pool.each(work, |(((bytes, slot), photo), found)| {
            let most = found.iter().map(|face| align::enlargement(&face.landmarks));
            let enough = Scale::with_room(most.fold(0.0, f32::max).recip());
            if enough < photo.scale {
                slot.decode(bytes.as_ref(), |_| enough, swap, photo);
            }
        });
        self.outcome(encoded.len())
    }

    /// The first error of the first `count` photos, if there is one.
    fn outcome(&mut self, count: usize) -> Result<(), DecodeError> {
        for slot in &mut self.slots[..count] {
            std::mem::replace(&mut slot.outcome, Ok(()))?;
        }
        Ok(())
    }
}

/// Where one photo is decoded.
struct DecodeSlot {
    decoder: Decoder,
    outcome: Result<(), DecodeError>,
}

impl DecodeSlot {
    fn new(limits: Limits) -> Self {
        Self {
            decoder: Decoder::new(limits),
            outcome: Ok(()),
        }
    }

    /// Decodes `bytes` into `photo`, red and blue exchanged where the fault is planted.
    fn decode(
        &mut self,
        bytes: &[u8],
        scale: impl FnOnce((u32, u32)) -> Scale,
        swap: bool,
        photo: &mut DecodedPhoto,
    ) {
        self.outcome = self.decoder.decode(bytes, scale, photo);
        if swap {
            photo.pixels.pixels_mut().for_each(|pixel| pixel.0.swap(0, 2));
        }
    }
}
