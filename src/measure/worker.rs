//! The child process of one arm: loads it, works, and answers its study line by line.
//!
//! Crashes and hangs happen here and cost one arm. Standard output belongs to the protocol; whatever else has
//! something to say uses standard error.

use std::{
    borrow::Cow,
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

use hdrhistogram::Histogram;

use super::{
    pipeline::{Pipeline, PipelineError, StageTimes},
    protocol::{Block, Job, Ready, Reply, Request, Seen},
};
use crate::{
    backend::{
        Backend, BackendError, Identity,
        null::{self, NullOptions},
        onnxruntime::OnnxRuntime,
    },
    host,
    model::{ModelError, gallery::Gallery},
    vision::face::{Detection, Embedding, Face},
};

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

impl From<BackendError> for WorkerError {
    fn from(error: BackendError) -> Self {
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
    for line in requests {
        let request: Request =
            serde_json::from_str(&line).map_err(|e| WorkerError::Protocol(e.to_string()))?;
        match (request, worker.as_mut()) {
            (Request::Prepare(job), _) => {
                let (ready, prepared) = Worker::prepare(*job)?;
                worker = Some(prepared);
                voice.say(&Reply::Ready(Box::new(ready)))?;
            }
            (Request::Observe, Some(worker)) => {
                worker.observe(voice)?;
            }
            (Request::WarmUp { duration }, Some(worker)) => {
                let images = worker.work(voice, Until::Elapsed(duration))?.images;
                voice.say(&Reply::WarmedUp { images })?;
            }
            (Request::Block { duration }, Some(worker)) => {
                worker.blocks += 1;
                let block = worker.work(voice, Until::WholePasses(duration))?;
                voice.say(&Reply::Block(Box::new(block)))?;
            }
            (Request::Finish, _) => {
                let rss_peak_bytes = host::peak_rss_bytes(Path::new("/"));
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

/// Something that answers photos, one of `streams` in a worker.
trait Stream: Send {
    /// Answers the photos `range` of the job; `faces` has one place for each.
    fn process(&mut self, range: Range<usize>, faces: &mut [Vec<Face>]) -> Result<StageTimes, WorkerError>;
}

struct Worker {
    job: Arc<Job>,
    streams: Vec<Box<dyn Stream>>,
    backend: Option<Box<dyn Backend>>,
    photos: Arc<Photos>,
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
            backend: None,
            photos,
            blocks: 0,
        };
        let mut loaded = None;
        let identity = if job.spec.is_null() {
            for _ in 0..job.streams {
                worker.streams.push(Box::new(NullStream(job.spec.null.clone())));
            }
            Identity {
                runtime: "facebench null",
                version: env!("CARGO_PKG_VERSION").to_owned(),
                provider: "none",
                device: "none".to_owned(),
            }
        } else {
            let backend = open_backend(&job)?;
            let gallery = Arc::new(Gallery::new(
                job.gallery
                    .iter()
                    .map(|values| (String::new(), Embedding::from_raw(values))),
            ));
            for _ in 0..job.streams {
                let (stream, facts) = worker.load_stream(backend.as_ref(), &gallery, None)?;
                loaded = Some(facts);
                worker.streams.push(Box::new(stream));
            }
            let identity = backend.identity().clone();
            worker.backend = Some(backend);
            identity
        };
        let load = started.elapsed();
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
            loaded,
            load,
            first_image: started.elapsed(),
        };
        Ok((ready, worker))
    }

    fn load_stream(
        &self,
        backend: &dyn Backend,
        gallery: &Arc<Gallery>,
        profile: Option<&Path>,
    ) -> Result<(NetworkStream, super::pipeline::Loaded), WorkerError> {
        let job = &self.job;
        let networks = job
            .networks
            .as_ref()
            .ok_or_else(|| WorkerError::Protocol(format!("{} without networks", job.spec)))?;
        let (pipeline, loaded) = Pipeline::load(
            backend,
            networks,
            Arc::clone(gallery),
            job.threads,
            job.batch,
            profile,
        )?;
        Ok((
            NetworkStream {
                pipeline,
                photos: Arc::clone(&self.photos),
            },
            loaded,
        ))
    }

    /// The check pass: every photo once, and a profile of its own session, which is gone before anything is measured.
    fn observe(&mut self, voice: &Voice) -> Result<(), WorkerError> {
        let mut profile = None;
        if let Some(backend) = &self.backend {
            let folder = tempfile::tempdir()?;
            let gallery = Arc::new(Gallery::default());
            let (mut stream, _) = self.load_stream(backend.as_ref(), &gallery, Some(folder.path()))?;
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
        self.work(voice, Until::Observed)?;
        voice.say(&Reply::Observed {
            profile: profile.map(Into::into),
        })?;
        Ok(())
    }

    /// Runs every stream until `until`, telling the study now and then how far it is.
    fn work(&mut self, voice: &Voice, until: Until) -> Result<Block, WorkerError> {
        self.plant_fault(until);
        let job = Arc::clone(&self.job);
        let feeder = Feeder::new(job.photos.len(), job.batch, until);
        let done = AtomicUsize::new(0);
        let started = Instant::now();
        let tallies = thread::scope(|scope| {
            let workers: Vec<_> = self
                .streams
                .iter_mut()
                .map(|stream| {
                    let (feeder, done, job) = (&feeder, &done, job.as_ref());
                    let observer = (until == Until::Observed).then_some(voice);
                    scope.spawn(move || {
                        let tally = run_stream(stream.as_mut(), feeder, job, done, observer);
                        if tally.is_err() {
                            feeder.stop();
                        }
                        tally
                    })
                })
                .collect();
            let mut told = 0;
            let mut beat = Instant::now();
            while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
                thread::sleep(Duration::from_millis(1).max(HEARTBEAT.min(started.elapsed() / 50)));
                let images = done.load(Ordering::Relaxed);
                if images > told && beat.elapsed() >= HEARTBEAT {
                    voice.say(&Reply::Progress { images })?;
                    (told, beat) = (images, Instant::now());
                }
            }
            workers
                .into_iter()
                .map(|worker| {
                    worker
                        .join()
                        .map_err(|_| WorkerError::Protocol("a stream panicked".into()))?
                })
                .collect::<Result<Vec<_>, WorkerError>>()
        })?;
        let end = tallies
            .iter()
            .filter_map(|tally| tally.end)
            .max()
            .unwrap_or_else(Instant::now);
        Ok(total(&job, tallies, end - started))
    }

    fn plant_fault(&self, until: Until) {
        let NullOptions { crash, hang, .. } = &self.job.spec.null;
        if !matches!(until, Until::WholePasses(_)) {
            return;
        }
        if *crash == Some(self.blocks) {
            std::process::abort();
        }
        while *hang == Some(self.blocks) {
            thread::sleep(Duration::from_secs(1));
        }
    }
}

fn open_backend(job: &Job) -> Result<Box<dyn Backend>, WorkerError> {
    match (job.spec.word.as_str(), &job.library) {
        ("cpu", Some(library)) => {
            let device = host::Host::current()
                .cpu
                .model
                .unwrap_or_else(|| "CPU".to_owned());
            Ok(Box::new(OnnxRuntime::cpu(library, device)?))
        }
        (word, _) => Err(WorkerError::Backend(word.to_owned())),
    }
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

/// When a stretch of work ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// At the first photo after this time.
    Elapsed(Duration),
    /// At the end of the first whole pass after this time.
    WholePasses(Duration),
    /// After one pass, whose answers are told to the study.
    Observed,
}

/// Hands out photos to streams.
struct Feeder {
    photos: usize,
    chunk: usize,
    until: Until,
    started: Instant,
    next: Mutex<Option<usize>>,
}

impl Feeder {
    fn new(photos: usize, chunk: usize, until: Until) -> Self {
        let next = Mutex::new((photos > 0).then_some(0));
        Self {
            photos,
            chunk,
            until,
            started: Instant::now(),
            next,
        }
    }

    /// The next photos, at most a chunk and never across the end of a pass; `None` at the end. Whether another pass
    /// begins is decided once, under the lock, so that all streams agree.
    fn draw(&self) -> Option<Range<usize>> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let at = (*next)?;
        let pass_begins = at > 0 && at.is_multiple_of(self.photos);
        let over = match self.until {
            Until::Elapsed(least) => self.started.elapsed() >= least,
            Until::WholePasses(least) => pass_begins && self.started.elapsed() >= least,
            Until::Observed => pass_begins,
        };
        if over {
            *next = None;
            return None;
        }
        let photo = at % self.photos;
        let end = (photo + self.chunk).min(self.photos);
        *next = Some(at + end - photo);
        Some(photo..end)
    }

    fn stop(&self) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// What one stream did.
struct Tally {
    images: usize,
    faces: usize,
    stages: StageTimes,
    strata: Vec<(usize, Duration)>,
    latencies: Histogram<u64>,
    end: Option<Instant>,
}

fn run_stream(
    stream: &mut dyn Stream,
    feeder: &Feeder,
    job: &Job,
    done: &AtomicUsize,
    observer: Option<&Voice>,
) -> Result<Tally, WorkerError> {
    let strata = job.strata.iter().flatten().max().map_or(0, |last| last + 1);
    let latencies = Histogram::new(2).map_err(|e| WorkerError::Protocol(e.to_string()))?;
    let mut tally = Tally {
        images: 0,
        faces: 0,
        stages: StageTimes::default(),
        strata: vec![(0, Duration::ZERO); strata],
        latencies,
        end: None,
    };
    let mut faces = vec![Vec::new(); job.batch];
    let mut last = Instant::now();
    while let Some(range) = feeder.draw() {
        let faces = &mut faces[..range.len()];
        let answer = stream.process(range.clone(), faces);
        let now = Instant::now();
        let time = now - last;
        last = now;
        if let Some(voice) = observer {
            tell(voice, stream, &range, faces, answer, time)?;
            last = Instant::now();
        } else {
            tally.stages += answer?;
            tally.faces += faces.iter().map(Vec::len).sum::<usize>();
            tally.images += range.len();
            if job.batch == 1 {
                let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
                tally
                    .latencies
                    .record(micros)
                    .map_err(|e| WorkerError::Protocol(e.to_string()))?;
                for stratum in job.strata.get(range.start).into_iter().flatten() {
                    tally.strata[*stratum].0 += 1;
                    tally.strata[*stratum].1 += time;
                }
            }
        }
        done.fetch_add(range.len(), Ordering::Relaxed);
        tally.end = Some(now);
    }
    Ok(tally)
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
                let seen = Ok(Seen {
                    faces: std::mem::take(faces),
                    time: time / range.len() as u32,
                });
                voice.say(&Reply::Photo { index, seen })?;
            }
            Ok(())
        }
        Err(WorkerError::Photo { reason, .. }) if range.len() == 1 => Ok(voice.say(&Reply::Photo {
            index: range.start,
            seen: Err(reason),
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

fn total(job: &Job, tallies: Vec<Tally>, time: Duration) -> Block {
    let mut block = Block {
        seconds: time.as_secs_f64(),
        ..Block::default()
    };
    let mut latencies: Option<Histogram<u64>> = None;
    for tally in tallies {
        block.images += tally.images;
        block.faces += tally.faces;
        block.stages += tally.stages;
        block.strata.resize(tally.strata.len(), (0, 0.0));
        for (sum, (images, time)) in block.strata.iter_mut().zip(&tally.strata) {
            sum.0 += images;
            sum.1 += time.as_secs_f64();
        }
        match &mut latencies {
            // Both have two digits and resize themselves: they can always be added.
            Some(sum) => drop(sum.add(&tally.latencies)),
            None => latencies = Some(tally.latencies),
        }
    }
    if job.batch > 1 {
        block.strata.clear();
    }
    block.latencies = latencies
        .iter()
        .flat_map(|all| {
            all.iter_recorded()
                .map(|v| (v.value_iterated_to(), v.count_since_last_iteration()))
        })
        .collect();
    block
}

/// The encoded photos of a job.
enum Photos {
    Loaded(Vec<Vec<u8>>),
    Files(Vec<PathBuf>),
}

impl Photos {
    fn load(job: &Job) -> Result<Self, WorkerError> {
        if job.spec.is_null() || !job.preload {
            return Ok(Self::Files(job.photos.clone()));
        }
        job.photos
            .iter()
            .map(|path| read(path))
            .collect::<Result<_, _>>()
            .map(Self::Loaded)
    }

    fn bytes(&self, index: usize) -> Result<Cow<'_, [u8]>, WorkerError> {
        match self {
            Self::Loaded(photos) => Ok(Cow::Borrowed(&photos[index])),
            Self::Files(paths) => read(&paths[index]).map(Cow::Owned),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, WorkerError> {
    std::fs::read(path).map_err(|e| WorkerError::Photo {
        path: path.to_path_buf(),
        reason: e.to_string(),
    })
}

struct NetworkStream {
    pipeline: Pipeline,
    photos: Arc<Photos>,
}

impl Stream for NetworkStream {
    fn process(&mut self, range: Range<usize>, faces: &mut [Vec<Face>]) -> Result<StageTimes, WorkerError> {
        let started = Instant::now();
        let bytes = range
            .clone()
            .map(|index| self.photos.bytes(index))
            .collect::<Result<Vec<_>, _>>()?;
        let reading = started.elapsed();
        let mut times = self.pipeline.run(&bytes, faces).map_err(|error| match error {
            PipelineError::Photo(error) => WorkerError::Photo {
                path: PathBuf::from(range.start.to_string()),
                reason: error.to_string(),
            },
            PipelineError::Model(error) => WorkerError::Model(error),
        })?;
        times.decode += reading;
        Ok(times)
    }
}

struct NullStream(NullOptions);

impl Stream for NullStream {
    fn process(&mut self, range: Range<usize>, faces: &mut [Vec<Face>]) -> Result<StageTimes, WorkerError> {
        for faces in faces.iter_mut().take(range.len()) {
            null::wait(self.0.delay);
            faces.clear();
            faces.extend((0..self.0.faces).map(null_face));
        }
        Ok(StageTimes::default())
    }
}

/// A fixed face, the same in every photo; the `place`-th lies beside the one before.
fn null_face(place: usize) -> Face {
    let left = place as f32 * 100.0;
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
    fn passes_are_whole_and_chunks_stay_inside_them() {
        let feeder = Feeder::new(5, 2, Until::WholePasses(Duration::ZERO));
        let drawn: Vec<_> = std::iter::from_fn(|| feeder.draw()).collect();
        assert_eq!(drawn, [0..2, 2..4, 4..5]);
        let feeder = Feeder::new(3, 1, Until::WholePasses(Duration::from_millis(5)));
        let mut images = 0;
        while let Some(range) = feeder.draw() {
            images += range.len();
            thread::sleep(Duration::from_millis(1));
        }
        assert!(images >= 6 && images.is_multiple_of(3), "{images}");
    }

    #[test]
    fn nothing_is_drawn_from_nothing_or_after_a_stop() {
        assert!(Feeder::new(0, 1, Until::Observed).draw().is_none());
        let feeder = Feeder::new(9, 1, Until::Observed);
        feeder.stop();
        assert!(feeder.draw().is_none());
    }

    #[test]
    fn faces_of_null_are_apart() {
        let (a, b) = (null_face(0), null_face(1));
        assert!(a.detection.bounding_box.iou(&b.detection.bounding_box) < 0.1);
    }
}
