//! A bare loop over `Session::run`, for scripts/scaling: `bare_loop LIBRARY DETECTOR RECOGNIZER FACES SECONDS`. One
//! thread; each turn runs the detector once and the recognizer FACES times, on tensors that are already prepared. Prints
//! turns a second.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use ort::{
    environment::Environment,
    session::{Session, builder::GraphOptimizationLevel},
    value::{TensorRef, ValueType},
};

/// Where the graph leaves a side open.
const USUAL: [usize; 4] = [1, 3, 640, 640];

struct Loop {
    session: Session,
    shape: [usize; 4],
    values: Vec<f32>,
}

impl Loop {
    fn new(environment: &Environment, network: &str) -> anyhow::Result<Self> {
        let open = || -> ort::Result<Session> {
            Session::builder(environment)?
                .with_optimization_level(GraphOptimizationLevel::All)?
                .with_intra_threads(1)?
                .with_intra_op_spinning(false)?
                .commit_from_file(Path::new(network))
        };
        let session = open()?;
        let ValueType::Tensor { shape, .. } = session.inputs()[0].dtype() else {
            bail!("{network}: its input is not a tensor");
        };
        let mut sides = USUAL;
        for (side, declared) in sides.iter_mut().zip(shape.iter()) {
            *side = usize::try_from(*declared).unwrap_or(*side);
        }
        Ok(Self {
            session,
            shape: sides,
            values: vec![0.5; sides.iter().product()],
        })
    }

    fn run(&mut self) -> anyhow::Result<()> {
        let tensor = TensorRef::from_array_view((self.shape, &self.values[..]))?;
        self.session.run(ort::inputs![tensor])?;
        Ok(())
    }
}

fn main() -> anyhow::Result<()> {
    facebench::runtime::onnxruntime::telemetry::switch_off();
    let arguments: Vec<String> = std::env::args().collect();
    let [_, library, detector, recognizer, faces, seconds] = &arguments[..] else {
        bail!("usage: bare_loop LIBRARY DETECTOR RECOGNIZER FACES SECONDS");
    };
    let faces: usize = faces.parse().context("FACES is not a number")?;
    let time = Duration::from_secs_f64(seconds.parse().context("SECONDS is not a number")?);
    let environment = ort::init_from(library)?.with_telemetry(false).build()?;
    let (mut detector, mut recognizer) = (
        Loop::new(&environment, detector)?,
        Loop::new(&environment, recognizer)?,
    );
    let mut turns = |time: Duration| -> anyhow::Result<f64> {
        let (started, mut turns) = (Instant::now(), 0u32);
        while started.elapsed() < time {
            detector.run()?;
            for _ in 0..faces {
                recognizer.run()?;
            }
            turns += 1;
        }
        Ok(f64::from(turns) / started.elapsed().as_secs_f64())
    };
    turns(time / 4)?;
    println!("{}", turns(time)?);
    Ok(())
}
