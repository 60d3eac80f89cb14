//! IO binding: inputs and outputs in host memory that the device copies from and to by itself, one set for each shape.
//!
//! With CUDA graphs every address must stay the same from run to run, so inputs and outputs then live on the device,
//! and what goes in and out is copied beside the graph.

use ort::{
    memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType},
    session::{IoBinding, RunOptions, Session, SessionOutputs},
    value::{DynTensor, PrimitiveTensorElementType, Tensor},
};

/// Who looks at a run's outputs: the sides and numbers of each.
pub(super) type Read<'a> = dyn FnMut(&[(Vec<usize>, &[f32])]) + 'a;

/// The bound memory of one session.
pub(super) struct Bindings {
    input: String,
    outputs: Vec<String>,
    graphs: bool,
    /// Page-locked host memory, where the provider has it; else ordinary memory.
    pinned: Option<Allocator>,
    slots: Vec<Slot>,
}

/// What one shape of input uses.
struct Slot {
    shape: [usize; 4],
    binding: IoBinding,
    /// Where a run's input is written.
    host: DynTensor,
    /// With CUDA graphs: the input and the outputs on the device, and the graph's number.
    graph: Option<Graph>,
}

struct Graph {
    input: DynTensor,
    outputs: Vec<Tensor<f32>>,
    options: RunOptions,
}

impl Bindings {
    /// For `session`, which reads `input` and answers `outputs`.
    pub(super) fn new(session: &Session, input: &str, outputs: Vec<String>, graphs: bool) -> Self {
        Self {
            input: input.to_owned(),
            outputs,
            graphs,
            pinned: pinned(MemoryType::CPUInput)
                .and_then(|info| Allocator::new(session, info))
                .ok(),
            slots: Vec::new(),
        }
    }

    /// Whether host memory is page-locked, so that the device reads it without a copy in between.
    pub(super) fn is_pinned(&self) -> bool {
        self.pinned.is_some()
    }

    /// Runs `session` on `values` of that shape; `read` gets each output's sides and numbers in the graph's order.
    pub(super) fn run<T: PrimitiveTensorElementType + Copy + std::fmt::Debug>(
        &mut self,
        session: &mut Session,
        shape: [usize; 4],
        values: &[T],
        read: &mut Read<'_>,
    ) -> ort::Result<()> {
        let place = if let Some(place) = self.slots.iter().position(|slot| slot.shape == shape) {
            place
        } else {
            let slot = self.slot::<T>(session, shape, values)?;
            self.slots.push(slot);
            self.slots.len() - 1
        };
        let slot = &mut self.slots[place];
        slot.host.try_extract_tensor_mut::<T>()?.1.copy_from_slice(values);
        let Some(graph) = &mut slot.graph else {
            // Binding is what copies the input to the device.
            slot.binding.bind_input(&self.input, &slot.host)?;
            let outputs = session.run_binding(&slot.binding)?;
            return give(&self.outputs, &outputs, read);
        };
        slot.host.copy_into(&mut graph.input)?;
        session.run_binding_with_options(&slot.binding, &graph.options)?;
        let copies = graph
            .outputs
            .iter()
            .map(|output| output.to(AllocationDevice::CPU, 0))
            .collect::<ort::Result<Vec<_>>>()?;
        let views = copies
            .iter()
            .map(|copy| copy.try_extract_tensor::<f32>())
            .collect::<ort::Result<Vec<_>>>()?;
        read(
            &views
                .into_iter()
                .map(|(shape, values)| (sides(shape), values))
                .collect::<Vec<_>>(),
        );
        Ok(())
    }

    fn slot<T: PrimitiveTensorElementType + Copy + std::fmt::Debug>(
        &self,
        session: &mut Session,
        shape: [usize; 4],
        values: &[T],
    ) -> ort::Result<Slot> {
        let kind = T::into_tensor_element_type();
        let plain = Allocator::default();
        let mut host = DynTensor::new(self.pinned.as_ref().unwrap_or(&plain), kind, shape)?;
        let mut binding = session.create_binding()?;
        if !self.graphs {
            let out = if self.is_pinned() {
                pinned(MemoryType::CPUOutput)?
            } else {
                MemoryInfo::default()
            };
            for output in &self.outputs {
                binding.bind_output_to_device(output, &out)?;
            }
            return Ok(Slot {
                shape,
                binding,
                host,
                graph: None,
            });
        }
        host.try_extract_tensor_mut::<T>()?.1.copy_from_slice(values);
        let on_device = MemoryInfo::new(
            AllocationDevice::CUDA,
            0,
            AllocatorType::Device,
            MemoryType::Default,
        )?;
        let device = Allocator::new(session, on_device)?;
        let mut input = DynTensor::new(&device, kind, shape)?;
        host.copy_into(&mut input)?;
        // One run without a graph says how large the outputs are.
        let mut options = RunOptions::new()?;
        options.set("gpu_graph_id", "-1")?;
        let mut probe = session.create_binding()?;
        probe.bind_input(&self.input, &input)?;
        for output in &self.outputs {
            probe.bind_output_to_device(output, &MemoryInfo::default())?;
        }
        let shapes = {
            let results = session.run_binding_with_options(&probe, &options)?;
            self.outputs
                .iter()
                .map(|name| Ok(sides(results[name.as_str()].try_extract_tensor::<f32>()?.0)))
                .collect::<ort::Result<Vec<_>>>()?
        };
        binding.bind_input(&self.input, &input)?;
        let mut outputs = Vec::new();
        for (name, shape) in self.outputs.iter().zip(shapes) {
            let mut output = Tensor::<f32>::new(&device, shape)?;
            binding.bind_output(name, &mut output)?;
            outputs.push(output);
        }
        options.set("gpu_graph_id", (self.slots.len() + 1).to_string())?;
        Ok(Slot {
            shape,
            binding,
            host,
            graph: Some(Graph {
                input,
                outputs,
                options,
            }),
        })
    }
}

fn pinned(memory: MemoryType) -> ort::Result<MemoryInfo<'static>> {
    MemoryInfo::new(AllocationDevice::CUDA_PINNED, 0, AllocatorType::Device, memory)
}

fn sides(shape: &[i64]) -> Vec<usize> {
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
            Ok((sides(shape), values))
        })
        .collect::<ort::Result<Vec<_>>>()?;
    read(&views);
    Ok(())
}
