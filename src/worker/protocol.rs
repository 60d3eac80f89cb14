//! The messages between a study and its workers: one JSON value a line, requests on the worker's standard input,
//! replies on its standard output.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    pipeline::{Loaded, Networks, StageTimes},
    record::OperatorTimes,
    runtime::spec::{BackendSpec, Reads},
    vision::face::Face,
};

/// From the study to a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Request {
    /// Load everything; answered by [`Reply::Ready`]. The first request.
    Prepare(Box<Job>),
    /// Open the job's backend and load the smallest network on it, and nothing else; answered by [`Reply::Probed`].
    Probe(Box<Job>),
    /// The check pass: the faces of every photo, once, and where the nodes ran. Completion by one [`Reply::Photo`] for
    /// each photo and [`Reply::Observed`]. It may come again, with other pixels in the files: only the first one's profile
    /// is looked at.
    Observe,
    /// The faces of every photo, once, and nothing else; completion as for `Observe`, without a profile.
    Recognize,
    /// Answer photos by number for another program's load generator: each line that follows is a line of queries, until the
    /// request to finish; each line that comes back is the id of an answered photo, until [`Reply::Served`].
    Serve,
    /// Work without measuring until the speed is steady; answered by [`Reply::WarmedUp`].
    WarmUp(WarmUp),
    /// Measure whole passes; answered by [`Reply::Block`].
    Block(BlockSpec),
    /// Measure what the stages allow; answered by [`Reply::Ceiling`].
    Ceiling(MeasureCeiling),
    /// Work beside other workers; answered by [`Reply::Completions`].
    Window(WorkInWindow),
    /// Get ready to be what others are measured beside, where the job's networks would run; answered by
    /// [`Reply::BackgroundLoadReady`].
    PrepareBackgroundLoad(Box<Job>),
    /// Multiply matrices until the study is gone; answered by [`Reply::BackgroundLoadBegan`] as it begins, and never again.
    BackgroundLoad(StartBackgroundLoad),
    /// End; answered by [`Reply::Finished`].
    Finish,
}

/// What a block of measured work is: whole passes over the photos.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BlockSpec {
    /// Least time.
    pub duration: Duration,
    /// Fewest photos.
    pub images: usize,
    /// Streams at work, of those that the job has.
    pub streams: usize,
    /// Photos of a detector run, at most the job's.
    pub batch: usize,
    /// When photos come.
    pub pattern: LoadPattern,
    /// Whether the block belongs to the study, and not to a search for a rate or a setting. The faults that `null` plants
    /// count only such blocks.
    pub counts: bool,
}

/// Work that is not measured.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct WarmUp {
    /// Least time.
    pub least: Duration,
    /// Most time.
    pub most: Duration,
}

/// How to measure what the stages allow.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct MeasureCeiling {
    /// About how long each part lasts.
    pub duration: Duration,
}

/// What a background load does.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct StartBackgroundLoad {
    /// Part of the time in which it works, above 0 and up to 1.
    pub share: f64,
    /// When to begin, microseconds since 1970.
    pub begin_us: u64,
}

/// Work beside other workers, by the wall clock.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct WorkInWindow {
    /// When to begin, microseconds since 1970.
    pub begin_us: u64,
    /// When to begin no photo any more.
    pub end_us: u64,
    /// The first photo.
    pub first_photo: usize,
}

/// What a worker did beside others.
#[derive(Debug, Serialize, Deserialize)]
pub struct Completions {
    /// What each stream answered, in its order.
    pub streams: Vec<Vec<Completion>>,
    /// Processor seconds of this process, all threads.
    pub cpu_seconds: Option<f64>,
}

/// Photos that were answered together.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Completion {
    /// The first one's number in the job.
    pub photo: usize,
    /// How many.
    pub photos: usize,
    /// When their work began, microseconds since 1970.
    pub begun_us: u64,
    /// When it ended.
    pub ended_us: u64,
}

/// When photos come.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum LoadPattern {
    /// The next ones as soon as a stream is free.
    Closed,
    /// The next so many as soon as all of the last so many are answered.
    Queries {
        /// Photos of a query.
        size: usize,
    },
    /// One by one at random times that nothing can put off: a Poisson process.
    Arrivals {
        /// Photos a second.
        rate: f64,
        /// Decides the times.
        seed: u64,
        /// When to give up.
        give_up: Option<GiveUp>,
    },
}

/// A rate is too high for certain when more than so many answers came later than this.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GiveUp {
    /// The latest that an answer may come.
    pub bound: Duration,
    /// How many may come later.
    pub misses: usize,
}

/// What a worker works on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// The arm, without what it asked for in streams, threads and batch.
    pub spec: BackendSpec,
    /// The runtime's library; `None` for backends that need none.
    pub library: Option<PathBuf>,
    /// The device, as a person would name it; `None` for the processor.
    pub device: Option<String>,
    /// A folder for what the runtime compiles for the device.
    pub cache: Option<PathBuf>,
    /// The networks; `None` for `null`.
    pub networks: Option<Networks>,
    /// The photos, in the order in which every pass takes them.
    pub photos: Vec<PathBuf>,
    /// For each photo, the numbers of the strata that it belongs to.
    pub strata: Vec<Vec<usize>>,
    /// What each photo is expected to cost, in any unit; empty where all are alike.
    pub weights: Vec<f64>,
    /// Where the encoded photos come from.
    pub reads: Reads,
    /// Photos in work at the same time.
    pub streams: usize,
    /// Threads of one stream.
    pub threads: usize,
    /// Photos of a detector run, faces of a recognizer run.
    pub batch: usize,
    /// The host cores that the worker may use; empty for all.
    pub host_cores: Vec<usize>,
    /// How many cores that is.
    pub cores: usize,
    /// Enrolled embeddings that every face is matched against.
    pub gallery: Vec<Vec<f32>>,
}

impl Job {
    /// One stream of one thread of `spec`, without a library, networks and photos.
    pub fn new(spec: BackendSpec) -> Self {
        Self {
            reads: spec.reads,
            // The job has fields of its own for these, with the numbers that were decided; two places could differ.
            spec: BackendSpec {
                streams: None,
                threads: None,
                batch: None,
                ..spec
            },
            library: None,
            device: None,
            cache: None,
            networks: None,
            photos: Vec::new(),
            strata: Vec::new(),
            weights: Vec::new(),
            streams: 1,
            threads: 1,
            batch: 1,
            host_cores: Vec::new(),
            cores: 1,
            gallery: Vec::new(),
        }
    }
}

/// From a worker to the study.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Reply {
    /// Everything is loaded.
    Ready(Box<Ready>),
    /// The backend can run.
    Probed,
    /// The load is ready to work.
    BackgroundLoadReady,
    /// The load begins.
    BackgroundLoadBegan {
        /// When, microseconds since 1970.
        began_us: u64,
    },
    /// A block begins: what the worker had to get ready for it is done. Only facebench's own worker is believed.
    Begun,
    /// Still alive: photos done since the request.
    Progress {
        /// Photos done.
        images: usize,
    },
    /// What the check pass saw in one photo.
    Photo {
        /// Its number in the job.
        index: usize,
        /// Its faces, or why it cannot be read.
        answer: Result<PhotoAnswer, String>,
    },
    /// The check pass is over.
    Observed {
        /// Node time by provider; `None` for runtimes that have no providers.
        profile: Option<ObservedProfile>,
    },
    /// All queries are answered.
    Served,
    /// The warm-up is over.
    WarmedUp(WarmedUp),
    /// A block is measured.
    Block(Box<Block>),
    /// What the stages allow.
    Ceiling(Box<Ceiling>),
    /// What was done beside other workers.
    Completions(Box<Completions>),
    /// The worker ends.
    Finished {
        /// Peak resident set.
        rss_peak_bytes: Result<u64, String>,
    },
    /// The worker cannot go on; it ends after this.
    Failed {
        /// Why.
        reason: String,
    },
}

/// A worker's account of its loading.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ready {
    /// The runtime's name.
    pub runtime: String,
    /// The runtime's version.
    pub version: String,
    /// The execution provider.
    pub provider: String,
    /// The device.
    pub device: String,
    /// The options of the execution provider.
    pub options: Vec<(String, String)>,
    /// What the networks turned out to be; `None` for `null`.
    pub loaded: Option<Loaded>,
    /// Time to load runtime and networks, all streams.
    pub load: Duration,
    /// Time in which a device prepared itself for every shape that it will see: engines, autotuning, graphs.
    pub shapes: Duration,
    /// Time of the first photo.
    pub first_image: Duration,
}

/// What a warm-up came to.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct WarmedUp {
    /// Photos done.
    pub images: usize,
    /// How long it took, seconds.
    pub seconds: f64,
    /// Whether the speed was steady at the end; `None` where too few photos were done to know.
    pub steady: Option<bool>,
}

/// One photo in the check pass.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PhotoAnswer {
    /// Its faces, best score first.
    pub faces: Vec<Face>,
    /// How long it took.
    pub time: Duration,
}

/// A profile on its way to the study.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ObservedProfile {
    /// Nodes and microseconds by provider.
    pub providers: BTreeMap<String, (usize, u64)>,
    /// What the detector computes with.
    pub detector: OperatorTimes,
    /// What the recognizer computes with.
    pub recognizer: OperatorTimes,
}

impl From<[crate::runtime::Profile; 2]> for ObservedProfile {
    fn from([detector, recognizer]: [crate::runtime::Profile; 2]) -> Self {
        let times = |profile: &crate::runtime::Profile| OperatorTimes {
            all_us: profile.providers.values().map(|time| time.time_us).sum(),
            quantized_us: profile.quantized_us,
            half_us: profile.half_us,
        };
        let mut providers: BTreeMap<String, (usize, u64)> = BTreeMap::new();
        for (name, time) in detector.providers.iter().chain(&recognizer.providers) {
            let both = providers.entry(name.clone()).or_default();
            both.0 += time.nodes;
            both.1 += time.time_us;
        }
        Self {
            providers,
            detector: times(&detector),
            recognizer: times(&recognizer),
        }
    }
}

/// One measured block.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Block {
    /// From the first photo's start to the last one's end.
    pub seconds: f64,
    /// Photos done: a multiple of the dataset.
    pub images: usize,
    /// Faces found.
    pub faces: usize,
    /// Embeddings made of them; `None` where they are not counted.
    #[serde(default)]
    pub embeddings: Option<usize>,
    /// Time by stage, all streams together.
    pub stages: StageTimes,
    /// For each stratum, photos done and the seconds that streams spent on them. Empty where photos share runs.
    pub strata: Vec<(usize, f64)>,
    /// Service time of each photo: microseconds and how often, from an HDR histogram.
    pub service: Vec<(u64, u64)>,
    /// Time from the arrival of each query to its answer. Empty where the next photos are taken as soon as a stream is free:
    /// there the service time is all there is.
    pub response: Vec<(u64, u64)>,
    /// How late a waiting stream took up a query that was due.
    pub scheduling_delay: Vec<(u64, u64)>,
    /// Processor seconds of this process, all threads.
    pub cpu_seconds: Option<f64>,
    /// Processor seconds that a pool spent on decoding, resizing and aligning for a device.
    pub pixel_seconds: Option<f64>,
    /// Bytes that this process took from storage.
    pub storage_bytes: Option<u64>,
    /// Whether it was given up before its end.
    pub given_up: bool,
}

/// What the stages of a worker allow.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Ceiling {
    /// Photos done, in whole passes.
    pub images: usize,
    /// Faces found in them.
    pub faces: usize,
    /// Time by stage, all streams together, each stage on several photos in a row.
    pub stages: StageTimes,
    /// Processor seconds that a pool spent on decoding, resizing and aligning for a device.
    pub pixel_seconds: Option<f64>,
    /// Of a bare run of the detector, for each of its photos.
    pub detector: Duration,
    /// Of a bare run of the recognizer, for each of its faces.
    pub recognizer: Duration,
    /// Part of its speed that a bare loop loses where its work is handed out and timed as photos are.
    pub harness_overhead: f64,
}
