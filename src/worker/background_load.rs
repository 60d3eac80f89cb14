//! What tenants are measured beside: a process that multiplies matrices for a share of the time, on one host core or on
//! the tenants' own device, until its study is gone.

use std::{
    convert::Infallible,
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use ndarray::{Array2, Array4};

use super::{
    WorkerError,
    loaded_arm::open_runtime,
    protocol::{Job, StartBackgroundLoad},
    system::stay_on,
};
use crate::{
    machine::wall_clock::WallClock,
    runtime::{Session, SessionSettings, onnx, options::DataPath},
};

/// On the host work and rest take turns within so long; on a device a run and its rest are shorter on most.
const PERIOD: Duration = Duration::from_millis(20);
/// A side of the host's matrices: three of them are 3 MB, larger than a core's own cache.
const HOST_SIDE: usize = 512;
/// Rows that the host multiplies at a time: short enough to end in time.
const ROWS: usize = 16;
/// A side of the device's matrices, and how many products a run has: 69 billion operations, which fill any device.
const DEVICE_SIDE: usize = 2048;
const PRODUCTS: usize = 4;
/// Runs before the first that counts: libraries are loaded and kernels chosen in them.
const FIRST_RUNS: usize = 3;

/// A background load, ready to work.
pub(super) enum BackgroundLoad {
    /// Matrices in the host's memory.
    Host {
        a: Array2<f32>,
        b: Array2<f32>,
        product: Array2<f32>,
        row: usize,
    },
    /// A network on the device, and its input.
    Device(Box<dyn Session>, Array4<f32>),
}

impl BackgroundLoad {
    /// Where the arm of `job` has its networks: on its device, or else on one host core.
    pub(super) fn prepare(job: &Job) -> Result<Self, WorkerError> {
        // On a device too: what hands it work takes no core that the study was not given.
        stay_on(&job.host_cores)?;
        if job.spec.is_null() || job.spec.data_path() == DataPath::Host {
            let a = Array2::from_shape_fn((HOST_SIDE, HOST_SIDE), |(row, column)| {
                (row * 31 + column) as f32 / 1e4
            });
            let b = a.t().to_owned();
            let product = Array2::zeros((ROWS, HOST_SIDE));
            return Ok(Self::Host {
                a,
                b,
                product,
                row: 0,
            });
        }
        let folder = tempfile::tempdir()?;
        let network = folder.path().join("matrix-products.onnx");
        std::fs::write(&network, onnx::matrix_products(DEVICE_SIDE, PRODUCTS))?;
        let settings = SessionSettings {
            threads: 1,
            ..SessionSettings::default()
        };
        let session = open_runtime(job)?.load(&network, &settings)?;
        let mut load = Self::Device(session, Array4::from_elem([1, 1, 1, DEVICE_SIDE], 0.5));
        for _ in 0..FIRST_RUNS {
            load.run()?;
        }
        Ok(load)
    }

    /// Works until this process ends, and calls `begun` as it begins. Whoever
    /// closes standard input ends it.
    pub(super) fn work(
        mut self,
        call: StartBackgroundLoad,
        begun: impl FnOnce(u64) -> Result<(), WorkerError>,
    ) -> Result<Infallible, WorkerError> {
        let StartBackgroundLoad { share, begin_us } = call;
        let clock = WallClock::now();
        thread::sleep(clock.instant(begin_us).saturating_duration_since(Instant::now()));
        begun(clock.micros(Instant::now()))?;
        let rest = (1.0 / share - 1.0).max(0.0);
        loop {
            let begun = Instant::now();
            self.run()?;
            while matches!(self, Self::Host { .. }) && begun.elapsed() < PERIOD.mul_f64(share) {
                self.run()?;
            }
            // As long as it worked, however long that was: a device has runs of a length of its own.
            thread::sleep(begun.elapsed().mul_f64(rest));
        }
    }

    fn run(&mut self) -> Result<(), WorkerError> {
        match self {
            Self::Host { a, b, product, row } => {
                let rows = a.slice(ndarray::s![*row..*row + ROWS, ..]);
                ndarray::linalg::general_mat_mul(1.0, &rows, b, 0.0, product);
                *row = (*row + ROWS) % HOST_SIDE;
                black_box(product);
            }
            Self::Device(session, input) => session.run(input.view(), &mut |outputs| {
                black_box(outputs.len());
            })?,
        }
        Ok(())
    }
}
