//! `null`, which answers without networks: waits, plants faults, and makes up a profile where it is asked to.

use std::{
    ops::Range,
    thread,
    time::{Duration, Instant},
};

use super::{WorkerError, protocol::ObservedProfile, stream::Stream};
use crate::{
    pipeline::StageTimes,
    runtime::{
        Identity,
        null::{self, NullOptions},
        onnxruntime::{ExecutionProvider, providers::Cpu},
    },
    vision::face::{Detection, Face},
};

/// Its provider's name in records.
const PROVIDER: &str = "none";

/// `null`: waits, and plants faults.
pub(super) struct NullStream {
    options: NullOptions,
    process_noise: f64,
    delay: Duration,
    started: Instant,
    next_stall: Option<Instant>,
}

impl NullStream {
    /// All streams of a process share its `process_noise`, a number between 0 and 1.
    pub(super) fn new(options: NullOptions, process_noise: f64) -> Self {
        Self {
            delay: options.delay_in(process_noise, 0),
            options,
            process_noise,
            started: Instant::now(),
            next_stall: None,
        }
    }
}

impl Stream for NullStream {
    fn process(&mut self, range: Range<usize>, faces: &mut [Vec<Face>]) -> Result<StageTimes, WorkerError> {
        for (index, faces) in range.zip(faces) {
            null::wait(self.delay.mul_f64(self.options.slowness(self.started.elapsed())));
            if let (Some(stall), Some(at)) = (self.options.stall, self.next_stall)
                && Instant::now() >= at
            {
                null::wait(stall.length);
                self.next_stall = Some(at + stall.every);
            }
            faces.clear();
            faces.extend(null_answer(&self.options));
            if self.options.is_wrong(index) {
                // Nobody's face is there.
                for face in faces {
                    face.detection.bounding_box = [5000.0, 5000.0, 5080.0, 5100.0].into();
                }
            }
        }
        Ok(StageTimes::default())
    }

    fn begin(&mut self, blocks: usize) {
        self.delay = self
            .options
            .delay_in(self.process_noise, blocks.saturating_sub(1));
        self.next_stall = self.options.stall.map(|stall| Instant::now() + stall.every);
    }
}

/// What `null` reports in place of a runtime.
pub(super) fn identity(device: Option<&str>) -> Identity {
    Identity {
        runtime: "facebench null",
        version: env!("CARGO_PKG_VERSION").to_owned(),
        provider: PROVIDER,
        device: device.unwrap_or("none").to_owned(),
        options: Vec::new(),
    }
}

/// The profile that `null` makes up where its placement is to be judged.
pub(super) fn profile(options: &NullOptions) -> Option<ObservedProfile> {
    let share = options.placement?;
    let micros = |share: f64| (share * 1e6).round() as u64;
    Some(ObservedProfile {
        providers: [
            (PROVIDER.to_owned(), (1, micros(share))),
            (Cpu.name().to_owned(), (1, micros(1.0 - share))),
        ]
        .into(),
        ..ObservedProfile::default()
    })
}

/// Ends or hangs this process where that is planted in its `block`-th measured block, 1 for the first.
pub(super) fn plant_fault(options: &NullOptions, block: usize) {
    if options.crash == Some(block) {
        std::process::abort();
    }
    while options.hang == Some(block) {
        thread::sleep(Duration::from_secs(1));
    }
}

/// The answer of `null` for every photo that is not planted as wrong.
pub fn null_answer(options: &NullOptions) -> Vec<Face> {
    (0..options.faces).map(null_face).collect()
}

/// A fixed face; the `number`-th lies beside the one before.
fn null_face(number: usize) -> Face {
    let left = number as f32 * 100.0;
    let detection = Detection {
        bounding_box: [left, 0.0, left + 80.0, 100.0].into(),
        landmarks: [
            [left + 25.0, 40.0],
            [left + 55.0, 40.0],
            [left + 40.0, 60.0],
            [left + 28.0, 80.0],
            [left + 52.0, 80.0],
        ],
        score: 1.0,
    };
    Face {
        detection,
        embedding: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces_of_null_are_apart() {
        let (a, b) = (null_face(0), null_face(1));
        assert!(a.detection.bounding_box.iou(&b.detection.bounding_box) < 0.1);
    }
}
