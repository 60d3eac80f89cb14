//! The child process of one arm: loads it, works, and answers its study line by line.
//!
//! Crashes and hangs happen here and cost one arm. Standard output belongs to the protocol; whatever else has
//! something to say uses standard error.

mod answer_queries;
mod background_load;
mod ceiling;
pub mod interruption;
mod load_generator;
mod photos;
pub mod process;
pub mod protocol;
mod share;
mod stream;
mod stream_stats;
mod warm_up;

use std::{
    fs::File,
    io::{self, BufRead, Write},
    ops::Range,
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use rand::RngExt;

use self::{
    background_load::Load,
    load_generator::{Feeder, Until},
    photos::Photos,
    protocol::{Block, BlockSpec, Job, ObservedProfile, PhotoAnswer, Ready, Reply, Request},
    stream::{NetworkStream, NullStream, Stream},
    stream_stats::{Tally, total},
    warm_up::WarmUp,
};
use crate::{
    machine,
    model::{ModelError, gallery::Gallery},
    pipeline::{Loaded, Loading, Pipeline, StageTimes},
    runtime::{
        Identity, Runtime, RuntimeError,
        onnxruntime::{OnnxRuntime, Provider},
        options::DataPath,
    },
    vision::{
        face::{Detection, Embedding, Face},
        workers::Workers,
    },
};

pub use answer_queries::answer_queries;
pub use stream::null_answer;

/// How often a worker says that it is alive, where it has something to show for it.
const HEARTBEAT: Duration = Duration::from_millis(200);

/// Photos of the profiled pass: enough to see every node, few enough to stay short.
const PROFILED_PHOTOS: usize = 8;

/// Why a worker cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A request that makes no sense here.
    #[error("the study's request cannot be understood: {0}")]
    Protocol(String),
    /// The study is gone.
    #[error("the study does not listen any more: {0}")]
    Output(#[from] io::Error),
    /// The host cores cannot be had.
    #[error("cannot run on the host cores {cores:?}: {reason}")]
    Cores {
        /// What was asked.
        cores: Vec<usize>,
        /// What the system said.
        reason: String,
    },
    /// The backend's word has no code behind it in this process.
    #[error("this worker cannot run the backend {0}")]
    Backend(String),
    /// A file of the dataset.
    #[error("{}: {reason}", path.display())]
    Photo {
        /// The photo.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Numbers that are none.
    #[error("the networks answered photo {0} with numbers that are not finite")]
    NotFinite(usize),
    /// A network.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl From<RuntimeError> for WorkerError {
    fn from(error: RuntimeError) -> Self {
        Self::Model(error.into())
    }
}

/// Reads requests from standard input until it is told to finish; returns whether all went well. When the study
/// dies its end of the pipe closes, and the worker ends with it, even in the middle of a block.
pub fn main() -> bool {
    let (sender, requests) = mpsc::channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if sender.send(line).is_err() {
                return;
            }
        }
        std::process::exit(1);
    });
    let Ok(voice) = Voice::take_stdout() else {
        return false;
    };
    match serve(&requests, &voice) {
        Ok(()) => true,
        Err(error) => {
            let _ = voice.say(&Reply::Failed {
                reason: error.to_string(),
            });
            false
        }
    }
}

fn serve(requests: &mpsc::Receiver<String>, voice: &Voice) -> Result<(), WorkerError> {
    let mut worker: Option<Worker> = None;
    let mut load: Option<Load> = None;
    for line in requests {
        let request: Request =
            serde_json::from_str(&line).map_err(|e| WorkerError::Protocol(e.to_string()))?;
        match (request, worker.as_mut()) {
            (Request::Probe(job), _) => {
                if job.library.is_some() {
                    open_onnx_runtime(&job)?.probe()?;
                } else {
                    open_runtime(&job)?;
                }
                voice.say(&Reply::Probed)?;
            }
            (Request::Prepare(job), _) => {
                let (ready, prepared) = Worker::prepare(*job)?;
                worker = Some(prepared);
                voice.say(&Reply::Ready(Box::new(ready)))?;
            }
            (Request::PrepareBackgroundLoad(job), _) => {
                load = Some(Load::prepare(&job)?);
                voice.say(&Reply::BackgroundLoadReady)?;
            }
            (Request::BackgroundLoad { share, begin_us }, _) => match load.take() {
                Some(load) => load.work(share, begin_us, |began_us| {
                    voice.say(&Reply::BackgroundLoadBegan { began_us })?;
                    Ok(())
                })?,
                None => return Err(WorkerError::Protocol("a burden before its load".to_owned())),
            },
            (Request::Observe, Some(worker)) => {
                worker.observe(voice)?;
            }
            (Request::WarmUp { least, most }, Some(worker)) => {
                let reply = worker.warm_up(voice, least, most)?;
                voice.say(&reply)?;
            }
            (Request::Block(spec), Some(worker)) => {
                let block = worker.block(voice, spec)?;
                voice.say(&Reply::Block(Box::new(block)))?;
            }
            (Request::Ceiling { duration }, Some(worker)) => {
                let ceiling = worker.ceiling(voice, duration)?;
                voice.say(&Reply::Ceiling(Box::new(ceiling)))?;
            }
            (Request::Share(sharing), Some(worker)) => {
                let shared = worker.share(sharing)?;
                voice.say(&Reply::Shared(Box::new(shared)))?;
            }
            (Request::Finish, _) => {
                let rss_peak_bytes = machine::peak_rss_bytes(Path::new("/"));
                voice.say(&Reply::Finished { rss_peak_bytes })?;
                return Ok(());
            }
            (other, None) => return Err(WorkerError::Protocol(format!("{other:?} before prepare"))),
        }
    }
    Ok(())
}

/// The way to the study, shared by all threads.
struct Voice(Mutex<File>);

impl Voice {
    /// Takes standard output for the protocol alone: what a native library prints goes to standard error from now on.
    fn take_stdout() -> io::Result<Self> {
        let own = io::stdout().as_fd().try_clone_to_owned()?;
        #[cfg(unix)]
        rustix::stdio::dup2_stdout(io::stderr())?;
        Ok(Self(Mutex::new(File::from(own))))
    }

    fn say(&self, reply: &Reply) -> io::Result<()> {
        let mut line = serde_json::to_vec(reply)?;
        line.push(b'\n');
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write_all(&line)
    }
}

struct Worker {
    job: Arc<Job>,
    streams: Vec<Box<dyn Stream>>,
    runtime: Option<Box<dyn Runtime>>,
    photos: Arc<Photos>,
    /// Who decodes, resizes and aligns: each stream for itself, or all host cores beside a device.
    workers: Arc<Workers>,
    /// Measured blocks begun, for the faults of `null`.
    blocks: usize,
}

impl Worker {
    fn prepare(job: Job) -> Result<(Ready, Self), WorkerError> {
        stay_on(&job.host_cores)?;
        let job = Arc::new(job);
        let photos = Arc::new(Photos::load(&job)?);
        let started = Instant::now();
        let mut worker = Self {
            job: Arc::clone(&job),
            streams: Vec::new(),
            runtime: None,
            photos,
            workers: Arc::new(match job.spec.data_path() {
                DataPath::Host => Workers::default(),
                DataPath::Device => Workers::pool(job.spec.decoders.unwrap_or(job.cores)),
            }),
            blocks: 0,
        };
        let mut loaded = None;
        let identity = if job.spec.is_null() {
            let luck = rand_luck();
            for _ in 0..job.streams {
                worker
                    .streams
                    .push(Box::new(NullStream::new(job.spec.null.clone(), luck)));
            }
            Identity {
                runtime: "facebench null",
                version: env!("CARGO_PKG_VERSION").to_owned(),
                provider: NULL_PROVIDER,
                device: job.device.clone().unwrap_or_else(|| "none".to_owned()),
                options: Vec::new(),
            }
        } else {
            let runtime = open_runtime(&job)?;
            let gallery = Arc::new(Gallery::new(
                job.gallery
                    .iter()
                    .map(|values| (String::new(), Embedding::from_raw(values))),
            ));
            for _ in 0..job.streams {
                let (stream, facts) = worker.load_stream(runtime.as_ref(), &gallery, None)?;
                loaded = Some(facts);
                worker.streams.push(Box::new(stream));
            }
            let identity = runtime.identity().clone();
            worker.runtime = Some(runtime);
            identity
        };
        let load = started.elapsed();
        let mut shapes = Duration::ZERO;
        if job.spec.data_path() == DataPath::Device {
            let started = Instant::now();
            worker.settle(job.batch, true)?;
            shapes = started.elapsed();
        }
        let started = Instant::now();
        match worker.streams[0].process(0..1.min(job.photos.len()), &mut [Vec::new()]) {
            // The check pass names photos that cannot be read; here one is as good as another.
            Ok(_) | Err(WorkerError::Photo { .. }) => {}
            Err(error) => return Err(error),
        }
        let ready = Ready {
            runtime: identity.runtime.to_owned(),
            version: identity.version,
            provider: identity.provider.to_owned(),
            device: identity.device,
            options: identity
                .options
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            loaded,
            load,
            shapes,
            first_image: started.elapsed(),
        };
        Ok((ready, worker))
    }

    /// Has the device prepare itself for batches of this size. Each stream's plans are its own, and making them takes a
    /// host core, not the device: all are made at the same time.
    fn settle(&mut self, batch: usize, anew: bool) -> Result<(), WorkerError> {
        thread::scope(|scope| {
            let streams: Vec<_> = self
                .streams
                .iter_mut()
                .map(|stream| scope.spawn(move || stream.settle(batch, anew)))
                .collect();
            streams.into_iter().try_for_each(joined)
        })
    }

    fn load_stream(
        &self,
        runtime: &dyn Runtime,
        gallery: &Arc<Gallery>,
        profile: Option<&Path>,
    ) -> Result<(NetworkStream, Loaded), WorkerError> {
        let job = &self.job;
        let networks = job
            .networks
            .as_ref()
            .ok_or_else(|| WorkerError::Protocol(format!("{} without networks", job.spec)))?;
        let loading = Loading {
            threads: job.threads,
            batch: job.batch,
            path: job.spec.data_path(),
            decoding: job.spec.decoding(),
            fit_canvas: job.spec.fit_canvas,
            workers: Arc::clone(&self.workers),
            profile: profile.map(Path::to_path_buf),
        };
        let (pipeline, loaded) = Pipeline::load(runtime, networks, Arc::clone(gallery), &loading)?;
        Ok((
            NetworkStream {
                pipeline,
                photos: Arc::clone(&self.photos),
                memory: Vec::new(),
            },
            loaded,
        ))
    }

    /// The check pass: every photo once, and a profile of its own session, which is gone before anything is measured.
    fn observe(&mut self, voice: &Voice) -> Result<(), WorkerError> {
        let mut profile = None;
        if let Some(runtime) = &self.runtime {
            let folder = tempfile::tempdir()?;
            let gallery = Arc::new(Gallery::default());
            let (mut stream, _) = self.load_stream(runtime.as_ref(), &gallery, Some(folder.path()))?;
            let step = self.job.photos.len().div_ceil(PROFILED_PHOTOS).max(1);
            for index in (0..self.job.photos.len()).step_by(step) {
                match stream.process(index..index + 1, &mut [Vec::new()]) {
                    Ok(_) | Err(WorkerError::Photo { .. }) => {}
                    Err(error) => return Err(error),
                }
                voice.say(&Reply::Progress { images: index + 1 })?;
            }
            profile = stream.pipeline.finish_profile()?;
        }
        let profile = profile.map(Into::into).or_else(|| self.null_profile());
        let all = self.streams.len();
        self.work(voice, Until::Observed, all, self.job.batch, None)?;
        voice.say(&Reply::Observed { profile })?;
        Ok(())
    }

    /// The profile that `null` makes up where its placement is to be judged.
    fn null_profile(&self) -> Option<ObservedProfile> {
        let share = self.job.spec.null.placement?;
        let micros = |share: f64| (share * 1e6).round() as u64;
        Some(ObservedProfile {
            providers: [
                (NULL_PROVIDER.to_owned(), (1, micros(share))),
                ("CPUExecutionProvider".to_owned(), (1, micros(1.0 - share))),
            ]
            .into(),
            ..ObservedProfile::default()
        })
    }

    fn warm_up(&mut self, voice: &Voice, least: Duration, most: Duration) -> Result<Reply, WorkerError> {
        let warm_up = WarmUp::new(least, most);
        let all = self.streams.len();
        let block = self.work(voice, Until::Stopped, all, self.job.batch, Some(&warm_up))?;
        Ok(Reply::WarmedUp {
            images: block.images,
            seconds: block.seconds,
            steady: warm_up.is_steady(Duration::from_secs_f64(block.seconds)),
        })
    }

    fn block(&mut self, voice: &Voice, spec: BlockSpec) -> Result<Block, WorkerError> {
        if spec.counts {
            self.blocks += 1;
            self.plant_fault();
        }
        let streams = spec.streams.clamp(1, self.streams.len());
        let batch = spec.batch.clamp(1, self.job.batch);
        #[cfg(target_os = "linux")]
        let cpu = cpu_seconds();
        let pixels = self.workers.busy();
        let storage = machine::storage_bytes(Path::new("/"));
        let mut block = self.work(voice, Until::WholePasses(spec), streams, batch, None)?;
        #[cfg(target_os = "linux")]
        {
            block.cpu_seconds = Some(cpu_seconds() - cpu);
        }
        block.pixel_seconds = self
            .workers
            .busy()
            .zip(pixels)
            .map(|(after, before)| after.saturating_sub(before).as_secs_f64());
        block.storage_bytes = machine::storage_bytes(Path::new("/"))
            .ok()
            .zip(storage.ok())
            .map(|(after, before)| after.saturating_sub(before));
        Ok(block)
    }

    /// Runs so many streams until `until`, telling the study now and then that it is alive.
    fn work(
        &mut self,
        voice: &Voice,
        until: Until,
        streams: usize,
        batch: usize,
        warm_up: Option<&WarmUp>,
    ) -> Result<Block, WorkerError> {
        let job = Arc::clone(&self.job);
        let blocks = self.blocks;
        for stream in &mut self.streams {
            stream.begin(blocks);
        }
        if job.spec.data_path() == DataPath::Device {
            self.settle(batch, false)?;
        }
        let feeder = Feeder::new(job.photos.len(), batch, until);
        let done = AtomicUsize::new(0);
        let started = feeder.started();
        let tallies = thread::scope(|scope| {
            let workers: Vec<_> = self
                .streams
                .iter_mut()
                .take(streams)
                .map(|stream| {
                    let site = Site {
                        feeder: &feeder,
                        job: &job,
                        batch,
                        done: &done,
                        observer: (until == Until::Observed).then_some(voice),
                        warm_up,
                    };
                    scope.spawn(move || {
                        let _guard = StopIfPanicking(site.feeder);
                        let tally = site.run(stream.as_mut());
                        if tally.is_err() {
                            site.feeder.stop();
                        }
                        tally
                    })
                })
                .collect();
            let mut told = 0;
            let mut beat = Instant::now();
            while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
                thread::sleep(Duration::from_millis(1).max(HEARTBEAT.min(started.elapsed() / 50)));
                if warm_up.is_some_and(|warm_up| warm_up.is_over(started.elapsed())) {
                    feeder.stop();
                }
                let images = done.load(Ordering::Relaxed);
                if (images > told || feeder.is_waiting()) && beat.elapsed() >= HEARTBEAT {
                    // A study that does not listen any more has no use for the rest.
                    if let Err(error) = voice.say(&Reply::Progress { images }) {
                        feeder.stop();
                        return Err(error.into());
                    }
                    (told, beat) = (images, Instant::now());
                }
            }
            workers
                .into_iter()
                .map(joined)
                .collect::<Result<Vec<_>, WorkerError>>()
        })?;
        let end = tallies
            .iter()
            .filter_map(|tally| tally.end)
            .max()
            .unwrap_or_else(Instant::now);
        // The time in which nothing arrives any more belongs to the rate as well.
        let mut block = total(tallies, (end - started).max(feeder.span()), batch == 1)?;
        block.given_up = feeder.given_up();
        Ok(block)
    }

    fn plant_fault(&self) {
        let null = &self.job.spec.null;
        if null.crash == Some(self.blocks) {
            std::process::abort();
        }
        while null.hang == Some(self.blocks) {
            thread::sleep(Duration::from_secs(1));
        }
    }
}

/// What a stream's thread came to.
fn joined<T>(stream: thread::ScopedJoinHandle<'_, Result<T, WorkerError>>) -> Result<T, WorkerError> {
    let ended = stream.join();
    ended.map_err(|_| WorkerError::Protocol("a stream panicked".into()))?
}

/// The provider's name in records of `null`.
const NULL_PROVIDER: &str = "none";

/// A number between 0 and 1 for this process, each as likely as any other.
fn rand_luck() -> f64 {
    use rand::SeedableRng;
    let time = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let seed = time.as_nanos() as u64 ^ u64::from(std::process::id()).rotate_left(32);
    rand_chacha::ChaCha8Rng::seed_from_u64(seed).random()
}

/// Processor seconds that this process has used, all threads.
#[cfg(target_os = "linux")]
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Lets the other streams end when one panics: they may wait for its photo.
struct StopIfPanicking<'a>(&'a Feeder);

impl Drop for StopIfPanicking<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop();
        }
    }
}

/// Where one stream works.
struct Site<'a> {
    feeder: &'a Feeder,
    job: &'a Job,
    batch: usize,
    done: &'a AtomicUsize,
    observer: Option<&'a Voice>,
    warm_up: Option<&'a WarmUp>,
}

impl Site<'_> {
    fn run(&self, stream: &mut dyn Stream) -> Result<Tally, WorkerError> {
        let mut tally = Tally::new(self.job)?;
        let mut faces = vec![Vec::new(); self.batch];
        while let Some(draw) = self.feeder.draw() {
            let (photos, faces) = (draw.photos, &mut faces[..]);
            let faces = &mut faces[..photos.len()];
            let begun = Instant::now();
            let answer = stream.process(photos.clone(), faces);
            let now = Instant::now();
            let time = now - begun;
            if let Some(voice) = self.observer {
                tell(voice, stream, &photos, faces, answer, time)?;
            } else {
                tally.stages += answer?;
                tally.faces += faces.iter().map(Vec::len).sum::<usize>();
                tally.images += photos.len();
                tally.service.record(time, photos.len());
                if let Some(late) = draw.late {
                    tally.scheduling_delay.record(late, 1);
                }
                for due in draw.due {
                    let response = now.saturating_duration_since(due);
                    tally.response.record(response, 1);
                    self.feeder.judge(response);
                }
                if let Some(query) = self.feeder.answered(photos.len(), now) {
                    tally.response.record(query, 1);
                }
                for stratum in self.job.strata.get(photos.start).into_iter().flatten() {
                    tally.strata[*stratum].0 += 1;
                    tally.strata[*stratum].1 += time;
                }
                if let Some(warm_up) = self.warm_up {
                    let weights = self.job.weights.get(photos.clone()).unwrap_or_default();
                    let weight = if weights.is_empty() {
                        photos.len() as f64
                    } else {
                        weights.iter().sum()
                    };
                    warm_up.answered(now - self.feeder.started(), time, weight);
                }
            }
            self.done.fetch_add(photos.len(), Ordering::Relaxed);
            tally.end = Some(now);
        }
        Ok(tally)
    }
}

fn open_runtime(job: &Job) -> Result<Box<dyn Runtime>, WorkerError> {
    match job.spec.backend().linked().and_then(|linked| linked.open) {
        Some(open) => Ok(open(processor())),
        None => Ok(Box::new(open_onnx_runtime(job)?)),
    }
}

fn processor() -> String {
    let model = machine::Host::current().cpu.model;
    model.unwrap_or_else(|| "CPU".to_owned())
}

fn open_onnx_runtime(job: &Job) -> Result<OnnxRuntime, WorkerError> {
    let library = job
        .library
        .as_ref()
        .ok_or_else(|| WorkerError::Backend(job.spec.word.clone()))?;
    let device = job.device.clone().unwrap_or_else(processor);
    let provider = Provider::new(&job.spec, job.cache.clone());
    Ok(OnnxRuntime::open(library, provider, device)?)
}

/// Keeps this process, and all threads it will start, on `cores`; empty leaves it as it is.
fn stay_on(cores: &[usize]) -> Result<(), WorkerError> {
    #[cfg(target_os = "linux")]
    if !cores.is_empty() {
        let failed = |reason: String| WorkerError::Cores {
            cores: cores.to_vec(),
            reason,
        };
        let mut set = rustix::thread::CpuSet::new();
        for core in cores {
            if *core >= rustix::thread::CpuSet::MAX_CPU {
                return Err(failed(format!("there is no core {core}")));
            }
            set.set(*core);
        }
        rustix::thread::sched_setaffinity(None, &set).map_err(|e| failed(e.to_string()))?;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = cores;
    Ok(())
}

/// Tells the study what the check pass saw. One bad photo spoils its chunk, which is then done one by one.
fn tell(
    voice: &Voice,
    stream: &mut dyn Stream,
    range: &Range<usize>,
    faces: &mut [Vec<Face>],
    answer: Result<StageTimes, WorkerError>,
    time: Duration,
) -> Result<(), WorkerError> {
    match answer {
        Ok(_) => {
            for (index, faces) in range.clone().zip(faces) {
                if !faces.iter().all(is_finite) {
                    return Err(WorkerError::NotFinite(index));
                }
                let answer = Ok(PhotoAnswer {
                    faces: std::mem::take(faces),
                    time: time / range.len() as u32,
                });
                voice.say(&Reply::Photo { index, answer })?;
            }
            Ok(())
        }
        Err(WorkerError::Photo { reason, .. }) if range.len() == 1 => Ok(voice.say(&Reply::Photo {
            index: range.start,
            answer: Err(reason),
        })?),
        Err(WorkerError::Photo { .. }) => range.clone().try_for_each(|index| {
            let started = Instant::now();
            let mut faces = [Vec::new()];
            let answer = stream.process(index..index + 1, &mut faces);
            tell(
                voice,
                stream,
                &(index..index + 1),
                &mut faces,
                answer,
                started.elapsed(),
            )
        }),
        Err(error) => Err(error),
    }
}

fn is_finite(face: &Face) -> bool {
    let Detection {
        bounding_box,
        landmarks,
        score,
    } = &face.detection;
    let sides: [f32; 4] = (*bounding_box).into();
    let embedding = face.embedding.as_ref().map_or(&[][..], Embedding::values);
    sides
        .iter()
        .chain(landmarks.as_flattened())
        .chain(embedding)
        .chain([score])
        .all(|v| v.is_finite())
}
