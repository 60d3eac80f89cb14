//! Where the nodes of a network really ran: ONNX Runtime's own profile, summed up by provider.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// Node counts and times of one profiled session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// By execution provider: how many different nodes it ran and for how many microseconds in all.
    pub providers: BTreeMap<String, ProviderTime>,
    /// Microseconds spent in quantized operators (`QLinearConv` and its kin).
    pub quantized_us: u64,
    /// Microseconds spent in nodes that read 16-bit floats.
    pub half_us: u64,
}

/// What one execution provider ran.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProviderTime {
    /// Different nodes of the graph.
    pub nodes: usize,
    /// Their time in all runs, microseconds.
    pub time_us: u64,
}

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    cat: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    dur: u64,
    #[serde(default)]
    args: Value,
}

impl Profile {
    /// Reads the profile that ONNX Runtime wrote: an array of events, of which those of category `Node` whose name
    /// ends in `_kernel_time` are the nodes' own runs.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        let events: Vec<Event> = serde_json::from_str(json)?;
        let mut profile = Self::default();
        let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for event in events
            .into_iter()
            .filter(|e| e.cat == "Node" && e.name.ends_with("_kernel_time"))
        {
            let provider = event.args["provider"].as_str().unwrap_or("unknown").to_owned();
            let entry = profile.providers.entry(provider.clone()).or_default();
            entry.time_us += event.dur;
            let nodes = seen.entry(provider).or_default();
            if !nodes.contains(&event.name) {
                entry.nodes += 1;
                nodes.push(event.name);
            }
            let operator = event.args["op_name"].as_str().unwrap_or_default();
            if is_quantized(operator) {
                profile.quantized_us += event.dur;
            } else if event.args["input_type_shape"].to_string().contains("float16") {
                profile.half_us += event.dur;
            }
        }
        Ok(profile)
    }
}

fn is_quantized(operator: &str) -> bool {
    operator.starts_with("QLinear")
        || operator.starts_with("Dynamic")
        || matches!(
            operator,
            "ConvInteger" | "MatMulInteger" | "QGemm" | "QuantizeLinear" | "DequantizeLinear"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = r#"[
        {"cat":"Session","name":"model_loading","dur":900,"args":{}},
        {"cat":"Node","name":"conv1_kernel_time","dur":70,"args":{"provider":"CUDAExecutionProvider","op_name":"Conv"}},
        {"cat":"Node","name":"conv1_kernel_time","dur":20,"args":{"provider":"CUDAExecutionProvider","op_name":"Conv"}},
        {"cat":"Node","name":"conv1_fence_before","dur":5,"args":{"provider":"CUDAExecutionProvider"}},
        {"cat":"Node","name":"q_kernel_time","dur":10,"args":{"provider":"CPUExecutionProvider","op_name":"QLinearConv"}}
    ]"#;

    #[test]
    fn node_time_is_summed_by_provider() {
        let profile = Profile::parse(PROFILE).unwrap();
        assert_eq!(
            profile.providers["CUDAExecutionProvider"],
            ProviderTime {
                nodes: 1,
                time_us: 90
            }
        );
        assert_eq!(profile.quantized_us, 10);
    }
}
