//! An arm in this process: its runtime and networks, its streams, its photos.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    WorkerError, null_stream,
    null_stream::{NullMemory, NullStream},
    parallel::on_each,
    photos::Photos,
    protocol::{Job, Ready},
    stream::{NetworkStream, Stream},
    system::{process_noise, processor, stay_on},
};
use crate::{
    model::gallery::Gallery,
    pipeline::{Loaded, Loading, Pipeline},
    runtime::{
        Runtime,
        onnxruntime::{OnnxRuntime, Provider},
        options::DataPath,
    },
    vision::{face::Embedding, pixel_pool::PixelPool},
};

/// An arm that is loaded.
pub(super) struct LoadedArm {
    pub job: Arc<Job>,
    pub streams: Vec<Box<dyn Stream>>,
    /// `None` for `null`.
    pub runtime: Option<Box<dyn Runtime>>,
    photos: Arc<Photos>,
    /// Who decodes, resizes and aligns: each stream for itself, or all host cores beside a device.
    pub pixel_pool: Arc<PixelPool>,
    /// Measured blocks begun, for the faults of `null`.
    pub blocks: usize,
    /// Whether a check pass was made: a second one needs no profile.
    pub observed: bool,
}

impl LoadedArm {
    /// Loads `job`, and answers a first photo; `alive` is called after each part of that.
    pub(super) fn load(
        job: Job,
        alive: &dyn Fn() -> Result<(), WorkerError>,
    ) -> Result<(Ready, Self), WorkerError> {
        stay_on(&job.host_cores)?;
        let job = Arc::new(job);
        let photos = Arc::new(Photos::load(&job)?);
        let started = Instant::now();
        let mut arm = Self {
            job: Arc::clone(&job),
            streams: Vec::new(),
            runtime: None,
            photos,
            pixel_pool: Arc::new(match job.spec.data_path() {
                DataPath::Host => PixelPool::default(),
                DataPath::Device => PixelPool::pool(job.spec.decoders.unwrap_or(job.cores)),
            }),
            blocks: 0,
            observed: false,
        };
        let mut loaded = None;
        let identity = if job.spec.is_null() {
            let noise = process_noise();
            let memory = NullMemory::of(&job.photos);
            for _ in 0..job.streams {
                let stream = NullStream::new(job.spec.null.clone(), noise, Arc::clone(&memory));
                arm.streams.push(Box::new(stream));
            }
            null_stream::identity(job.device.as_deref())
        } else {
            let runtime = open_runtime(&job)?;
            let gallery = Arc::new(Gallery::new(
                job.gallery
                    .iter()
                    .map(|values| (String::new(), Embedding::from_raw(values))),
            )?);
            for _ in 0..job.streams {
                let (stream, facts) = arm.load_stream(runtime.as_ref(), &gallery, None)?;
                loaded = Some(facts);
                arm.streams.push(Box::new(stream));
                alive()?;
            }
            let identity = runtime.identity().clone();
            arm.runtime = Some(runtime);
            identity
        };
        let load = started.elapsed();
        let mut shapes = Duration::ZERO;
        if job.spec.data_path() == DataPath::Device {
            let started = Instant::now();
            arm.prepare_shapes(job.batch, true)?;
            shapes = started.elapsed();
        }
        let started = Instant::now();
        match arm.streams[0].process(0..1.min(job.photos.len()), &mut [Vec::new()]) {
            // The check pass names every photo that cannot be read; here such a photo is no error.
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
        Ok((ready, arm))
    }

    /// One more stream, with a runtime's profile in the folder `profile` where there is to be one.
    pub(super) fn load_stream(
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
            pixel_pool: Arc::clone(&self.pixel_pool),
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

    /// Has the device prepare itself for batches of this size. Each stream's plans are its own, and making them takes a
    /// host core, not the device: all are made at the same time.
    fn prepare_shapes(&mut self, batch: usize, again: bool) -> Result<(), WorkerError> {
        on_each(
            &mut self.streams,
            |stream| stream.prepare_shapes(batch, again),
            |_| Ok(()),
        )
        .map(drop)
    }

    /// Makes all streams ready for work in batches of this size.
    pub(super) fn begin(&mut self, batch: usize) -> Result<(), WorkerError> {
        for stream in &mut self.streams {
            stream.begin(self.blocks);
        }
        match self.job.spec.data_path() {
            DataPath::Host => Ok(()),
            DataPath::Device => self.prepare_shapes(batch, false),
        }
    }
}

/// Whether the runtime of `job` can run: the smallest network is loaded where a library has to be found.
pub(super) fn probe(job: &Job) -> Result<(), WorkerError> {
    if job.library.is_some() {
        Ok(open_onnx_runtime(job)?.probe()?)
    } else {
        open_runtime(job).map(drop)
    }
}

pub(super) fn open_runtime(job: &Job) -> Result<Box<dyn Runtime>, WorkerError> {
    match job.spec.backend().linked().and_then(|linked| linked.open) {
        Some(open) => Ok(open(processor())),
        None => Ok(Box::new(open_onnx_runtime(job)?)),
    }
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
