//! Recognizers of the `ArcFace` family: aligned 112x112 crops in, embeddings out (Deng and others: "`ArcFace`: Additive
//! Angular Margin Loss for Deep Face Recognition", 2019; `MobileFaceNet`, `SFace` and the w600k networks share it).

use super::{
    ModelError,
    catalog::{Family, Settings},
    family::list,
    input::{Input, SETTLING_RUNS},
};
use crate::{
    runtime::{Session, Signature},
    vision::{
        align::{self, CROP_SIZE},
        face::Landmarks,
        photo::Photo,
        workers::Workers,
    },
};

/// Shortest embedding that is taken for one.
const SHORTEST: usize = 64;

/// Numbers in an embedding; `None` where the graph leaves it open. The error says what is unlike a recognizer.
pub fn check(signature: &Signature) -> Result<Option<usize>, String> {
    let side = Some(CROP_SIZE as usize);
    let (inputs, outputs) = (&signature.inputs, &signature.outputs);
    let reads_crops = inputs.len() == 1
        && inputs[0].shape.len() == 4
        && inputs[0].shape[2..]
            .iter()
            .all(|length| length.is_none() || *length == side);
    let [output] = outputs.as_slice() else {
        return Err(format!("expected one output, found {}", list(outputs)));
    };
    match output.shape.as_slice() {
        // Open sides on the way in could be any network; a crop's size on one side at least must be known.
        _ if !reads_crops => Err(format!("expected crops of 112x112, found {}", list(inputs))),
        [_, length] if length.is_none_or(|n| n >= SHORTEST) => Ok(*length),
        _ => Err(format!("expected a batch of embeddings, found {output}")),
    }
}

/// A loaded recognizer with its settings and buffers.
pub struct Recognizer {
    session: Box<dyn Session>,
    input: Input,
}

impl Recognizer {
    /// Puts `session` to work with `settings`; at most `batch` faces go into one run, fewer where the graph has a
    /// fixed batch. `network` names it in errors.
    pub fn new(
        network: &str,
        session: Box<dyn Session>,
        settings: &Settings,
        batch: usize,
    ) -> Result<Self, ModelError> {
        check(session.signature()).map_err(|reason| ModelError::NotOfFamily {
            network: network.to_owned(),
            family: Family::Arcface,
            reason,
        })?;
        let side = CROP_SIZE as usize;
        let input = Input::new(
            session.as_ref(),
            batch,
            (side, side),
            settings.input.normalization(),
        );
        Ok(Self { session, input })
    }

    /// Most faces in one run.
    pub fn batch(&self) -> usize {
        self.input.batch()
    }

    /// The session, for its profile.
    pub fn session(&mut self) -> &mut dyn Session {
        self.session.as_mut()
    }

    /// Has a device prepare itself for batches of `size`, to which all are padded from now on: some runs on whatever the
    /// input holds. Does nothing where `anew` is not asked for and the size is the one that it was.
    pub fn settle(&mut self, size: usize, anew: bool) -> Result<(), ModelError> {
        if self.input.settle(size) || anew {
            for _ in 0..SETTLING_RUNS {
                self.input.run(self.session.as_mut(), 1, &mut |_, _| {})?;
            }
        }
        Ok(())
    }

    /// Runs the network on whatever its input holds, all places of it, and looks at nothing.
    pub fn run_alone(&mut self) -> Result<(), ModelError> {
        let all = self.batch();
        Ok(self.input.run(self.session.as_mut(), all, &mut |_, _| {})?)
    }

    /// Aligns faces, each of its photo, to the first places of the batch; `workers` do it. At most
    /// [`Recognizer::batch`] faces.
    pub fn align<'f>(&mut self, faces: impl Iterator<Item = (&'f Photo, &'f Landmarks)>, workers: &Workers) {
        let side = CROP_SIZE as usize;
        workers.each(faces.zip(self.input.slots()), |((photo, landmarks), mut slot)| {
            slot.begin(side, side);
            align::align(&photo.pixels, &photo.in_pixels(landmarks), |y, row| {
                slot.write_row(y, row);
            });
        });
    }

    /// Gives `take` the raw numbers of each of the first `count` places, in their order.
    pub fn embed(&mut self, count: usize, take: &mut dyn FnMut(&[f32])) -> Result<(), ModelError> {
        let mut read = Ok(());
        self.input
            .run(self.session.as_mut(), count, &mut |batch, outputs| {
                let output = &outputs[0];
                let values = output.values.as_slice().unwrap_or_default();
                if values.is_empty() || output.values.shape()[0] != batch {
                    let shape = output.values.shape().to_vec();
                    read = Err(ModelError::Shape {
                        output: output.name.to_owned(),
                        shape,
                    });
                    return;
                }
                values
                    .chunks_exact(values.len() / batch)
                    .take(count)
                    .for_each(&mut *take);
            })?;
        read
    }
}

#[cfg(test)]
mod tests {
    use super::super::family::tests::signature;
    use super::*;

    #[test]
    fn only_crops_to_embeddings_pass() {
        assert_eq!(
            check(&signature(&[-1, 3, 112, 112], &[("e", &[-1, 512])])),
            Ok(Some(512))
        );
        assert_eq!(
            check(&signature(&[1, 3, 112, 112], &[("fc1", &[1, 128])])),
            Ok(Some(128))
        );
        for (input, outputs) in [
            (&[1i64, 3, 224, 224][..], vec![("logits", &[1i64, 1000][..])]),
            (&[1, 3, 112, 112], vec![("age", &[1, 1][..])]),
            (&[1, 3, 112, 112], vec![("a", &[1, 128][..]), ("b", &[1, 128])]),
        ] {
            assert!(check(&signature(input, &outputs)).is_err());
        }
    }
}
