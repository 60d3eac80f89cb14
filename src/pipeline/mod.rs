//! The stages joined: decode, detect, align, embed, match, each timed.

mod decode;
mod load;
mod stage_times;

use std::sync::Arc;

use thiserror::Error;

use self::{decode::PhotoDecoder, stage_times::Laps};
pub use self::{
    load::{Loaded, Loading, Networks},
    stage_times::StageTimes,
};
use crate::{
    model::{
        ModelError,
        detector::Detector,
        gallery::{Gallery, Matcher},
        recognizer::Recognizer,
    },
    runtime::{Profile, RuntimeError},
    vision::{
        encoded::DecodeError,
        face::{Detection, Embedding, Face},
        photo::DecodedPhoto,
        pixel_pool::PixelPool,
    },
};

/// Why a photo has no answer.
#[derive(Debug, Error)]
pub enum PipelineError {
    /// The photo itself: another may well be fine.
    #[error(transparent)]
    Photo(#[from] DecodeError),
    /// A network or its runtime: no photo will be fine.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// One stream: both networks loaded, with buffers of its own. After the first photos, none of its own stages allocates.
pub struct Pipeline {
    detector: Detector,
    recognizer: Recognizer,
    gallery: Arc<Gallery>,
    matcher: Matcher,
    decoder: PhotoDecoder,
    pixel_pool: Arc<PixelPool>,
    /// One for each photo of a run, as are those that follow.
    photos: Vec<DecodedPhoto>,
    found: Vec<Vec<Detection>>,
    /// Every face of the run: the numbers of its photo and among its photo's faces.
    places: Vec<(usize, usize)>,
    embeddings: Vec<Embedding>,
    /// Memory of embeddings that were given back.
    spare: Vec<Embedding>,
}

impl Pipeline {
    /// Has a device prepare itself for detector runs of `batch` photos: it compiles, plans and captures for each shape,
    /// which is no part of anything measured. Does nothing for the batch that it is prepared for, unless `again`.
    pub fn prepare_shapes(&mut self, batch: usize, again: bool) -> Result<(), ModelError> {
        self.detector.prepare_shapes(batch, again)?;
        let faces = self.recognizer.batch();
        self.recognizer.prepare_shapes(faces, again)
    }

    /// Recognises every face of `photos` (encoded bytes): `faces[i]` is filled with those of `photos[i]`, best score
    /// first.
    pub fn run<B: AsRef<[u8]> + Sync>(
        &mut self,
        photos: &[B],
        faces: &mut [Vec<Face>],
    ) -> Result<StageTimes, PipelineError> {
        let mut times = StageTimes::default();
        let mut clock = Laps::new();
        self.decoder
            .decode(photos, self.detector.canvas(), &mut self.photos)?;
        times.decode = clock.lap();
        self.detect(photos.len())?;
        times.detect = clock.lap();
        self.decoder
            .decode_larger(photos, &self.found, &mut self.photos)?;
        times.decode += clock.lap();
        self.embed(&mut times, &mut clock)?;
        self.hand_out(faces);
        clock.lap();
        self.match_faces(faces);
        times.matching = clock.lap();
        Ok(times)
    }

    /// Finds the faces of the first `count` photos.
    fn detect(&mut self, count: usize) -> Result<(), ModelError> {
        self.found.resize_with(count, Vec::new);
        self.detector
            .detect(&self.photos[..count], &mut self.found[..count], &self.pixel_pool)
    }

    /// Aligns and embeds all that was found, in order, as many faces at once as the recognizer takes.
    fn embed(&mut self, times: &mut StageTimes, clock: &mut Laps) -> Result<(), ModelError> {
        self.places.clear();
        let found = self.found.iter().enumerate();
        self.places
            .extend(found.flat_map(|(photo, found)| (0..found.len()).map(move |face| (photo, face))));
        let (embeddings, spare) = (&mut self.embeddings, &mut self.spare);
        // What a run left that ended in an error.
        spare.append(embeddings);
        for places in self.places.chunks(self.recognizer.batch()) {
            let faces = places.iter().map(|(photo, face)| {
                let detection = &self.found[*photo][*face];
                (&self.photos[*photo], &detection.landmarks)
            });
            self.recognizer.align(faces, &self.pixel_pool);
            times.align += clock.lap();
            self.recognizer.embed(places.len(), &mut |values| {
                let mut embedding = spare.pop().unwrap_or_default();
                embedding.assign(values);
                embeddings.push(embedding);
            })?;
            times.embed += clock.lap();
        }
        Ok(())
    }

    /// Fills `faces` with what was found and embedded; what was in them is used again.
    fn hand_out(&mut self, faces: &mut [Vec<Face>]) {
        let mut embeddings = self.embeddings.drain(..);
        for (faces, found) in faces.iter_mut().zip(&self.found) {
            self.spare
                .extend(faces.drain(..).filter_map(|face| face.embedding));
            faces.extend(found.iter().map(|detection| Face {
                detection: *detection,
                embedding: embeddings.next(),
            }));
        }
    }

    /// Compares the faces with the gallery.
    fn match_faces(&mut self, faces: &[Vec<Face>]) {
        let embeddings = faces.iter().flatten().filter_map(|face| face.embedding.as_ref());
        std::hint::black_box(self.matcher.nearest(&self.gallery, embeddings));
    }

    /// Runs the detector on whatever its canvas holds and looks at nothing; returns how many photos that would be.
    pub(super) fn run_detector(&mut self) -> Result<usize, ModelError> {
        self.detector.run_alone()?;
        Ok(self.detector.batch())
    }

    /// The recognizer likewise; returns how many faces that would be.
    pub(super) fn run_recognizer(&mut self) -> Result<usize, ModelError> {
        self.recognizer.run_alone()?;
        Ok(self.recognizer.batch())
    }

    /// Ends profiling: where the nodes of both networks ran, the detector's first; `None` where neither reports it.
    pub fn finish_profile(&mut self) -> Result<Option<[Profile; 2]>, RuntimeError> {
        let detector = self.detector.session().finish_profile()?;
        let recognizer = self.recognizer.session().finish_profile()?;
        let any = detector.is_some() || recognizer.is_some();
        Ok(any.then(|| [detector.unwrap_or_default(), recognizer.unwrap_or_default()]))
    }
}
