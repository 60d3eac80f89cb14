//! IO binding: inputs and outputs in host memory that the device copies from and to by itself.
//!
//! With CUDA graphs every address must stay the same from run to run, so inputs and outputs then live on the device, and
//! what goes in and out is copied beside the graph. ONNX Runtime keeps graphs by thread, and a thread that captures one
//! disturbs others that allocate: all runs of such a session are made on one thread of its own.

use ort::{
    memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType},
    session::{IoBinding, RunOptions, Session, SessionOutputs},
    value::{DynTensor, PrimitiveTensorElementType, Tensor},
};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Reads a run's outputs: the dimensions and numbers of each.
pub(super) type Read<'a> = dyn FnMut(&[(Vec<usize>, &[f32])]) + 'a;

/// The bound memory of one session.
pub(super) struct Bindings {
    input: String,
    outputs: Vec<String>,
    /// With CUDA graphs: the thread of all runs.
    thread: Option<ThreadPool>,
    /// Page-locked host memory, where the provider has it; else ordinary memory.
    pinned: Option<Allocator>,
    /// Where outputs come to.
    out: MemoryInfo<'static>,
    /// For the shape of the last run. A device plans again for each change of shape, and what it planned for the shape
    /// before is gone, a graph's kernels with it.
    slot: Option<Slot>,
    /// Numbers of graphs that were captured.
    graphs: usize,
}

/// What one shape of input uses.
struct Slot {
    shape: [usize; 4],
    binding: IoBinding,
    /// Where a run's input is written.
    host: DynTensor,
    graph: Option<Graph>,
}

/// The input and the outputs on the device, the outputs' copies, and the options that name the graph.
struct Graph {
    input: DynTensor,
    outputs: Vec<Tensor<f32>>,
    copies: Vec<Tensor<f32>>,
    options: RunOptions,
}

/// What the elements of an input are.
pub(super) trait Element:
    PrimitiveTensorElementType + Copy + std::fmt::Debug + Send + Sync + 'static
{
}
impl Element for f32 {}
impl Element for u8 {}

impl Bindings {
    /// For `session`, which reads `input` and answers `outputs`.
    pub(super) fn new(session: &Session, input: &str, outputs: Vec<String>, graphs: bool) -> Self {
        let thread = || ThreadPoolBuilder::new().num_threads(1).build().ok();
        let allocator = pinned(MemoryType::CPUInput).and_then(|info| Allocator::new(session, info));
        let (pinned, out) = match (allocator, pinned(MemoryType::CPUOutput)) {
            // With CUDA graphs every run copies to the same addresses as the run before. If that memory is page-locked,
            // ONNX Runtime 1.31 takes this for a copy onto itself.
            (Ok(allocator), Ok(out)) if !graphs => (Some(allocator), out),
            _ => (None, MemoryInfo::default()),
        };
        Self {
            input: input.to_owned(),
            outputs,
            thread: graphs.then(thread).flatten(),
            pinned,
            out,
            slot: None,
            graphs: 0,
        }
    }

    /// Whether host memory is page-locked, so that the device reads it without a copy in between.
    pub(super) fn is_pinned(&self) -> bool {
        self.pinned.is_some()
    }

    /// Runs `session` on `values` of that shape; `read` gets each output's dimensions and numbers in the graph's order.
    pub(super) fn run<T: Element>(
        &mut self,
        session: &mut Session,
        shape: [usize; 4],
        values: &[T],
        read: &mut Read<'_>,
    ) -> ort::Result<()> {
        let Some(thread) = self.thread.take() else {
            let slot = self.slot_for(session, shape, values, false)?;
            slot.host.try_extract_tensor_mut::<T>()?.1.copy_from_slice(values);
            let input = self.input.as_str();
            let slot = self.slot.as_mut().ok_or_else(no_slot)?;
            // Binding is what copies the input to the device.
            slot.binding.bind_input(input, &slot.host)?;
            // Page-locked outputs of the run before, still bound, make ONNX Runtime 1.31 copy them onto themselves, which
            // its CUDA provider refuses.
            for output in &self.outputs {
                slot.binding.bind_output_to_device(output, &self.out)?;
            }
            let outputs = session.run_binding(&slot.binding)?;
            return give(&self.outputs, &outputs, read);
        };
        let ran = thread.install(|| self.run_graph(session, shape, values));
        self.thread = Some(thread);
        ran?;
        let copies = self.slot.iter().filter_map(|slot| slot.graph.as_ref());
        let views = copies
            .flat_map(|graph| &graph.copies)
            .map(|copy| copy.try_extract_tensor::<f32>())
            .collect::<ort::Result<Vec<_>>>()?;
        read(
            &views
                .into_iter()
                .map(|(shape, values)| (dimensions(shape), values))
                .collect::<Vec<_>>(),
        );
        Ok(())
    }

    /// Input to the device, the graph, outputs back.
    fn run_graph<T: Element>(
        &mut self,
        session: &mut Session,
        shape: [usize; 4],
        values: &[T],
    ) -> ort::Result<()> {
        let slot = self.slot_for(session, shape, values, true)?;
        slot.host.try_extract_tensor_mut::<T>()?.1.copy_from_slice(values);
        let graph = slot.graph.as_mut().ok_or_else(no_slot)?;
        slot.host.copy_into(&mut graph.input)?;
        session.run_binding_with_options(&slot.binding, &graph.options)?;
        for (output, copy) in graph.outputs.iter().zip(&mut graph.copies) {
            output.copy_into(copy)?;
        }
        Ok(())
    }

    fn slot_for<T: Element>(
        &mut self,
        session: &mut Session,
        shape: [usize; 4],
        values: &[T],
        graph: bool,
    ) -> ort::Result<&mut Slot> {
        if self.slot.as_ref().is_none_or(|slot| slot.shape != shape) {
            self.slot = None;
            let plain = Allocator::default();
            let allocator = self.pinned.as_ref().unwrap_or(&plain);
            let host = DynTensor::new(allocator, T::into_tensor_element_type(), shape)?;
            let slot = Slot {
                shape,
                binding: session.create_binding()?,
                host,
                graph: None,
            };
            self.slot = Some(if graph {
                self.capturing(session, slot, values)?
            } else {
                slot
            });
        }
        self.slot.as_mut().ok_or_else(no_slot)
    }

    /// Input and outputs stay on the device, for a graph of its own number.
    fn capturing<T: Element>(
        &mut self,
        session: &mut Session,
        mut slot: Slot,
        values: &[T],
    ) -> ort::Result<Slot> {
        slot.host.try_extract_tensor_mut::<T>()?.1.copy_from_slice(values);
        let on_device = MemoryInfo::new(
            AllocationDevice::CUDA,
            0,
            AllocatorType::Device,
            MemoryType::Default,
        )?;
        let device = Allocator::new(session, on_device)?;
        let mut input = DynTensor::new(&device, T::into_tensor_element_type(), slot.shape)?;
        slot.host.copy_into(&mut input)?;
        // One run without a graph shows how large the outputs are.
        let mut options = RunOptions::new()?;
        options.set("gpu_graph_id", "-1")?;
        let mut first = session.create_binding()?;
        first.bind_input(&self.input, &input)?;
        for output in &self.outputs {
            first.bind_output_to_device(output, &MemoryInfo::default())?;
        }
        let shapes = {
            let results = session.run_binding_with_options(&first, &options)?;
            self.outputs
                .iter()
                .map(|name| Ok(dimensions(results[name.as_str()].try_extract_tensor::<f32>()?.0)))
                .collect::<ort::Result<Vec<_>>>()?
        };
        slot.binding.bind_input(&self.input, &input)?;
        let plain = Allocator::default();
        let (mut outputs, mut copies) = (Vec::new(), Vec::new());
        for (name, shape) in self.outputs.iter().zip(shapes) {
            let mut output = Tensor::<f32>::new(&device, shape.clone())?;
            slot.binding.bind_output(name, &mut output)?;
            outputs.push(output);
            copies.push(Tensor::<f32>::new(self.pinned.as_ref().unwrap_or(&plain), shape)?);
        }
        self.graphs += 1;
        options.set("gpu_graph_id", self.graphs.to_string())?;
        slot.graph = Some(Graph {
            input,
            outputs,
            copies,
            options,
        });
        Ok(slot)
    }
}

fn no_slot() -> ort::Error {
    ort::Error::new("no memory is bound")
}

fn pinned(memory: MemoryType) -> ort::Result<MemoryInfo<'static>> {
    MemoryInfo::new(AllocationDevice::CUDA_PINNED, 0, AllocatorType::Device, memory)
}

fn dimensions(shape: &[i64]) -> Vec<usize> {
    shape
        .iter()
        .map(|side| usize::try_from(*side).unwrap_or(0))
        .collect()
}

fn give(names: &[String], outputs: &SessionOutputs<'_>, read: &mut Read<'_>) -> ort::Result<()> {
    let views = names
        .iter()
        .map(|name| {
            let (shape, values) = outputs[name.as_str()].try_extract_tensor::<f32>()?;
            Ok((dimensions(shape), values))
        })
        .collect::<ort::Result<Vec<_>>>()?;
    read(&views);
    Ok(())
}
