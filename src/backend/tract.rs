//! tract behind the [`Backend`] trait: pure Rust, on the processor.
//!
//! tract optimises a graph for sides that are known; a session keeps one plan for each shape of its input that it has
//! seen. See `docs/design/0013-linked-runtimes.md`.

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

use super::{Backend, BackendError, Identity, Output, Session, SessionSettings, Signature, onnx::signature};

const RUNTIME: &str = "tract";

/// The version that `Cargo.toml` pins; tract does not tell its own.
const VERSION: &str = "0.23.9";

/// Most plans that a session keeps: one for each number of faces in a batch, as long as batches are small.
const MOST_PLANS: usize = 32;

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
}

impl Backend for Tract {
    fn load(&self, network: &Path, settings: &SessionSettings) -> Result<Box<dyn Session>, BackendError> {
        let failed = |reason: String| BackendError::Load {
            network: network.to_path_buf(),
            runtime: RUNTIME,
            reason,
        };
        let signature = signature::read(network).map_err(failed)?;
        signature.reads_pictures(network)?;
        let (model, options) = guarded(|| {
            let model = tract_onnx::onnx().model_for_path(network)?;
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
            plans: Vec::new(),
            signature,
        };
        // A graph that tract cannot run is told now, as far as its sides are known.
        let sides: Option<Vec<usize>> = session.signature.inputs[0].shape.iter().copied().collect();
        if let Some([batch, channels, height, width]) = sides.as_deref() {
            session.plan([*batch, *channels, *height, *width])?;
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

/// A graph made ready for one shape of its input.
struct Plan {
    shape: [usize; 4],
    state: TypedSimpleState,
}

struct TractSession {
    network: PathBuf,
    /// As read; plans are made from it.
    model: InferenceModel,
    options: RunOptions,
    /// The last used one last.
    plans: Vec<Plan>,
    signature: Signature,
}

impl TractSession {
    /// Puts the plan for inputs of `shape` last, and makes it where there is none yet.
    fn plan(&mut self, shape: [usize; 4]) -> Result<&mut Plan, BackendError> {
        let kept = self.plans.iter().position(|plan| plan.shape == shape);
        let plan = match kept {
            Some(place) => self.plans.remove(place),
            None => self.prepare(shape)?,
        };
        if self.plans.len() == MOST_PLANS {
            self.plans.remove(0);
        }
        self.plans.push(plan);
        let last = self.plans.len() - 1;
        Ok(&mut self.plans[last])
    }

    fn prepare(&self, shape: [usize; 4]) -> Result<Plan, BackendError> {
        let state = guarded(|| {
            self.model
                .clone()
                .with_input_fact(0, f32::fact(shape).into())?
                .into_optimized()?
                .into_runnable_with_options(&self.options)?
                .spawn()
        });
        state
            .map(|state| Plan { shape, state })
            .map_err(|reason| BackendError::Load {
                network: self.network.clone(),
                runtime: RUNTIME,
                reason: format!(
                    "for an input of {}: {reason}",
                    shape.map(|side| side.to_string()).join("x")
                ),
            })
    }

    fn failed(&self, reason: &str) -> BackendError {
        BackendError::Run {
            reason: format!("{}: {RUNTIME}: {reason}", self.network.display()),
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
    ) -> Result<(), BackendError> {
        let values = input
            .as_slice()
            .ok_or_else(|| self.failed("the input tensor is not contiguous"))?;
        let (batch, channels, height, width) = input.dim();
        let plan = self.plan([batch, channels, height, width])?;
        let answer = guarded(|| {
            let tensor = Tensor::from_shape(&plan.shape, values)?;
            plan.state.run(tvec!(tensor.into_tvalue()))
        });
        let answer = match answer {
            Ok(answer) => answer,
            Err(reason) => {
                // Its state may be anything after an error.
                self.plans.pop();
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
