//! `null`, which answers without networks: waits, plants faults, and makes up a profile where it is asked to.

use std::{
    collections::HashSet,
    ops::Range,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    WorkerError,
    protocol::{Block, ObservedProfile},
    stream::Stream,
};
use crate::{
    pipeline::StageTimes,
    runtime::{
        Identity,
        null::{self, Cheat, NullOptions},
        onnxruntime::{ExecutionProvider, providers::Cpu},
    },
    vision::face::{Detection, Embedding, Face},
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
    /// The photos of the job, and what all streams have answered of them; for answers from memory.
    memory: Arc<NullMemory>,
}

/// The photos that a process of `null` has answered.
#[derive(Debug, Default)]
pub(super) struct NullMemory {
    photos: Vec<PathBuf>,
    answered: Mutex<HashSet<Vec<u8>>>,
}

impl NullMemory {
    /// Of none of `photos` yet.
    pub(super) fn of(photos: &[PathBuf]) -> Arc<Self> {
        Arc::new(Self {
            photos: photos.to_vec(),
            answered: Mutex::default(),
        })
    }

    /// Whether the photo `index`, with these very bytes, was asked for before.
    fn knows(&self, index: usize) -> bool {
        let path = &self.photos[index];
        let content = std::fs::read(path).unwrap_or_else(|_| path.as_os_str().as_encoded_bytes().to_vec());
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        !answered.insert(content)
    }
}

impl NullStream {
    /// All streams of a process share its `process_noise`, a number between 0 and 1.
    pub(super) fn new(options: NullOptions, process_noise: f64, memory: Arc<NullMemory>) -> Self {
        Self {
            delay: options.delay_in(process_noise, 0),
            options,
            process_noise,
            started: Instant::now(),
            next_stall: None,
            memory,
        }
    }
}

impl Stream for NullStream {
    fn process(&mut self, range: Range<usize>, faces: &mut [Vec<Face>]) -> Result<StageTimes, WorkerError> {
        for (index, faces) in range.zip(faces) {
            if self.options.cheat != Some(Cheat::Memory) || !self.memory.knows(index) {
                null::wait(self.delay.mul_f64(self.options.slowness(self.started.elapsed())));
            }
            if let (Some(stall), Some(at)) = (self.options.stall, self.next_stall)
                && Instant::now() >= at
            {
                null::wait(stall.length);
                self.next_stall = Some(at + stall.every);
            }
            faces.clear();
            faces.extend(null_answer(&self.options, index));
            cheat_with_embeddings(self.options.cheat, faces);
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

/// What `null` says of a block that it measured: what it plants as its cheat.
pub(super) fn plant_in_block(options: &NullOptions, mut block: Block) -> Block {
    match options.cheat {
        Some(Cheat::Twice) => {
            block.images *= 2;
            block.faces *= 2;
            for (_, count) in &mut block.service {
                *count *= 2;
            }
        }
        Some(Cheat::SlowClock) => {
            block.seconds /= 2.0;
            for (micros, _) in &mut block.service {
                *micros /= 2;
            }
        }
        _ => {}
    }
    block
}

/// Takes embeddings away, or makes them all the same.
fn cheat_with_embeddings(cheat: Option<Cheat>, faces: &mut [Face]) {
    let same = || Some(Embedding::from_raw(&[1.0; EMBEDDING]));
    for (number, face) in faces.iter_mut().enumerate() {
        match cheat {
            Some(Cheat::NoEmbeddings) => face.embedding = None,
            Some(Cheat::HalfEmbeddings) if number % 2 == 1 => face.embedding = None,
            Some(Cheat::SameEmbedding) => face.embedding = same(),
            _ => {}
        }
    }
}

/// Numbers of an embedding of `null`.
const EMBEDDING: usize = 16;

/// The answer of `null` for photo `index`, where that is not planted as wrong. Its faces have embeddings where a cheat is about
/// them, all different.
pub fn null_answer(options: &NullOptions, index: usize) -> Vec<Face> {
    let mut faces: Vec<Face> = (0..options.faces).map(null_face).collect();
    if options.cheat.is_some_and(Cheat::is_of_embeddings) {
        for (number, face) in faces.iter_mut().enumerate() {
            let mut random = ChaCha8Rng::seed_from_u64((index as u64) << 32 | number as u64);
            let values = [(); EMBEDDING].map(|()| random.random::<f32>() - 0.5);
            face.embedding = Some(Embedding::from_raw(&values));
        }
    }
    faces
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
