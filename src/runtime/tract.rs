//! tract behind the [`Runtime`] trait: pure Rust, on the processor.
//!
//! tract optimises a graph for dimensions that are known; a session keeps one plan for each shape of its input that it has
//! seen. See `docs/design/README.md`.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use ndarray::ArrayView4;
use tract_linalg::multithread::Executor;
use tract_onnx::prelude::{
    DatumExt, Framework, InferenceModel, InferenceModelExt, IntoTValue, RunOptions, TValue, Tensor,
    TractResult, TypedSimpleState, tvec,
};

use super::{
    Identity, Output, Runtime, RuntimeError, Session, SessionSettings, Signature,
    by_shape::{ByShape, for_input},
    onnx::signature,
};
use crate::text::ShownPath;

const RUNTIME: &str = "tract";

/// The version that `Cargo.toml` pins; tract has no call for its own.
const VERSION: &str = "0.23.9";

/// tract on the processor.
pub struct Tract {
    identity: Identity,
}

impl Tract {
    /// tract on the processor called `device`.
    pub fn cpu(device: String) -> Self {
        let identity = Identity {
            runtime: RUNTIME,
            version: VERSION.to_owned(),
            provider: "tract CPU",
            device,
            options: Vec::new(),
        };
        Self { identity }
    }

    /// The same, for the table of backends.
    pub(super) fn boxed(device: String) -> Box<dyn Runtime> {
        Box::new(Self::cpu(device))
    }
}

impl Runtime for Tract {
    fn load(&self, network: &Path, settings: &SessionSettings) -> Result<Box<dyn Session>, RuntimeError> {
        let failed = |reason: String| RuntimeError::Load {
            network: network.to_path_buf(),
            runtime: RUNTIME,
            reason,
        };
        let signature = signature::read(network).map_err(failed)?;
        signature.reads_planes(network)?;
        let (model, options) = guarded(|| {
            // Dimensions inside the graph that the file gives names to would contradict the numbers that a plan is made for.
            let reader = tract_onnx::onnx().with_ignore_value_info(true);
            let model = reader.model_for_path(network)?;
            // Without an executor a plan runs in the thread that calls it.
            let executor =
                (settings.threads > 1).then(|| Executor::multithread_with_name(settings.threads, RUNTIME));
            let options = RunOptions {
                executor,
                ..RunOptions::default()
            };
            Ok((model, options))
        })
        .map_err(failed)?;
        let mut session = TractSession {
            network: network.to_path_buf(),
            model,
            options,
            plans: ByShape::new(),
            signature,
        };
        // A graph that tract cannot run is reported now, as far as its dimensions are known.
        if let Some(shape) = session.signature.fixed_shape() {
            session.plan(shape)?;
        }
        Ok(Box::new(session))
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }
}

/// Does `work`; its error, or the words of its panic, in one line.
fn guarded<T>(work: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| one_line(&format!("{error:#}"))),
        Err(panic) => Err(format!("it panicked: {}", one_line(last_words(panic.as_ref())))),
    }
}

fn last_words(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

struct TractSession {
    network: PathBuf,
    /// As read; plans are made from it.
    model: InferenceModel,
    options: RunOptions,
    plans: ByShape<TypedSimpleState>,
    signature: Signature,
}

impl TractSession {
    /// The plan for inputs of `shape`.
    fn plan(&mut self, shape: [usize; 4]) -> Result<&mut TypedSimpleState, RuntimeError> {
        let make = || {
            guarded(|| {
                self.model
                    .clone()
                    .with_input_fact(0, f32::fact(shape).into())?
                    .into_optimized()?
                    .into_runnable_with_options(&self.options)?
                    .spawn()
            })
        };
        self.plans
            .get_or_make(shape, make)
            .map_err(|reason| RuntimeError::Load {
                network: self.network.clone(),
                runtime: RUNTIME,
                reason: for_input(shape, &reason),
            })
    }

    fn failed(&self, reason: &str) -> RuntimeError {
        RuntimeError::Run {
            reason: format!("{}: {RUNTIME}: {reason}", self.network.shown()),
        }
    }
}

impl Session for TractSession {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn run(
        &mut self,
        input: ArrayView4<'_, f32>,
        read: &mut dyn FnMut(&[Output<'_>]),
    ) -> Result<(), RuntimeError> {
        let values = input
            .as_slice()
            .ok_or_else(|| self.failed("the input tensor is not contiguous"))?;
        let (batch, channels, height, width) = input.dim();
        let shape = [batch, channels, height, width];
        let plan = self.plan(shape)?;
        let answer = guarded(|| {
            let tensor = Tensor::from_shape(&shape, values)?;
            plan.run(tvec!(tensor.into_tvalue()))
        });
        let answer = match answer {
            Ok(answer) => answer,
            Err(reason) => {
                self.plans.forget_last();
                return Err(self.failed(&reason));
            }
        };
        let outputs = self
            .signature
            .outputs
            .iter()
            .zip(&answer)
            .map(|(info, value): (_, &TValue)| {
                Ok(Output {
                    name: &info.name,
                    values: value.to_plain_array_view::<f32>()?,
                })
            })
            .collect::<TractResult<Vec<_>>>()
            .map_err(|error| self.failed(&one_line(&format!("{error:#}"))))?;
        read(&outputs);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::*;

    fn load(threads: usize) -> Box<dyn Session> {
        let network = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/facebench-rec.onnx");
        let settings = SessionSettings {
            threads,
            ..SessionSettings::default()
        };
        Tract::cpu("CPU".to_owned()).load(&network, &settings).unwrap()
    }

    fn embed(session: &mut dyn Session, faces: usize) -> Vec<f32> {
        let input = Array4::from_shape_fn((faces, 3, 112, 112), |(_, c, y, x)| {
            ((c + 1) * (y * 31 + x * 17) % 255) as f32 / 255.0
        });
        let mut values = Vec::new();
        session
            .run(input.view(), &mut |outputs| {
                assert_eq!(outputs[0].values.shape()[0], faces);
                values.extend(outputs[0].values.iter());
            })
            .unwrap();
        values
    }

    #[test]
    fn the_version_is_the_one_that_is_built() {
        let lock = include_str!("../../Cargo.lock");
        for name in ["tract-onnx", "tract-linalg"] {
            assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{VERSION}\"\n")));
        }
    }

    #[test]
    fn several_threads_are_a_pool_of_the_session_and_change_no_answer() {
        let (mut one, mut two) = (load(1), load(2));
        assert_eq!(embed(one.as_mut(), 1), embed(two.as_mut(), 1));
        #[cfg(target_os = "linux")]
        {
            let tasks = std::fs::read_dir("/proc/self/task").unwrap();
            let names =
                tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
            assert_eq!(names.filter(|name| name.starts_with("tract-")).count(), 2);
        }
    }

    #[test]
    fn each_shape_has_a_plan_and_a_row_is_the_same_in_any_batch() {
        let mut session = load(1);
        let alone = embed(session.as_mut(), 1);
        let three = embed(session.as_mut(), 3);
        assert_eq!(embed(session.as_mut(), 1), alone);
        let same = three.chunks(alone.len()).all(|row| {
            row.iter()
                .zip(&alone)
                .all(|(a, b)| (a - b).abs() <= 1e-4 * (1.0 + b.abs()))
        });
        assert!(same && three.len() == 3 * alone.len());
    }

    #[test]
    fn an_input_that_the_network_cannot_read_is_an_error_and_so_is_a_panic() {
        let error = load(1)
            .run(Array4::zeros((1, 5, 112, 112)).view(), &mut |_| {})
            .unwrap_err();
        assert!(
            error.to_string().contains("for an input of 1x5x112x112: "),
            "{error}"
        );
        let reason = guarded::<()>(|| panic!("no\nway")).unwrap_err();
        assert_eq!(reason, "it panicked: no way");
    }
}
