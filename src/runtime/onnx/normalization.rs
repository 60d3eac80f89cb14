//! What a graph does to its input before anything else: networks that normalise pixels themselves are to be fed pixels as
//! they are. `MXNet`'s exports of `ArcFace` begin so (Sub 127.5, Mul 1/128), and `InsightFace` looks for such nodes by name;
//! here they are found by what they compute, whatever they are called.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    bytes_input::picture_input,
    graph::{GraphError, all, graph_of, last, last_number, text},
    numbers::{floats, numbers},
    schema,
    wire::{Field, Fields, Value},
};

/// Most nodes that are looked at from the input on.
const MOST_NODES: usize = 16;

/// How a network that normalises inside wants its pixels of 0 to 255: `(pixel - mean) / divisor`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnNormalization {
    /// Subtracted from each pixel.
    pub mean: f32,
    /// Divides what is left: 1 where the graph wants 0 to 255, 255 where it wants 0 to 1.
    pub divisor: f32,
    /// The nodes that say so, such as `Sub 127.5, Mul 0.0078125`.
    pub nodes: String,
}

/// What is done to a number on its way: `scale * x + shift`.
#[derive(Debug, Clone, Copy)]
struct Line {
    scale: f64,
    shift: f64,
}

/// What numbers a graph wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// 0 to 255.
    Pixels,
    /// 0 to 1.
    Shares,
}

/// How the graph of `model` normalises its input inside; `None` where it does not, as far as can be seen. `folder` is the
/// network's.
pub(super) fn own_normalization(model: &[u8], folder: &Path) -> Result<Option<OwnNormalization>, GraphError> {
    let graph = graph_of(model)?;
    let Ok(input) = picture_input(graph) else {
        return Ok(None);
    };
    let walk = Walk { graph, folder };
    let (wanted, nodes) = walk.from(input.name)?;
    Ok(wanted.map(|wanted| OwnNormalization {
        mean: 0.0,
        divisor: match wanted {
            Wanted::Pixels => 1.0,
            Wanted::Shares => 255.0,
        },
        nodes: nodes.join(", "),
    }))
}

/// A node, as far as it matters here.
struct Node<'a> {
    operator: &'a str,
    inputs: Vec<&'a str>,
    output: &'a str,
    whole: &'a [u8],
}

/// A graph that is looked through again for each node: only the first few matter, and a hostile one may have millions.
struct Walk<'a> {
    graph: &'a [u8],
    folder: &'a Path,
}

impl<'a> Walk<'a> {
    /// What the graph wants as `input`, and the nodes that say so.
    fn from(&self, input: &str) -> Result<(Option<Wanted>, Vec<String>), GraphError> {
        let mut line = Line {
            scale: 1.0,
            shift: 0.0,
        };
        let (mut current, mut nodes) = (input, Vec::new());
        for _ in 0..MOST_NODES {
            let Some(node) = self.only_reader(current)? else {
                break;
            };
            match node.operator {
                // What changes no number, or its type alone.
                "Identity" | "Cast" | "Transpose" | "QuantizeLinear" | "DequantizeLinear" => {}
                "Sub" | "Add" | "Mul" | "Div" => {
                    let Some((value, first)) = self.operand(&node, current)? else {
                        break;
                    };
                    let Some(next) = line.after(node.operator, value, first) else {
                        break;
                    };
                    line = next;
                    nodes.push(format!("{} {value}", node.operator));
                }
                "BatchNormalization" if nodes.is_empty() => {
                    let wanted = self.of_statistics(&node)?;
                    return Ok(wanted.map_or((None, Vec::new()), |(wanted, word)| (Some(wanted), vec![word])));
                }
                _ => break,
            }
            current = node.output;
        }
        Ok((if nodes.is_empty() { None } else { line.wanted() }, nodes))
    }

    /// The fields of the graph of that number.
    fn parts(&self, number: u64) -> impl Iterator<Item = Result<&'a [u8], GraphError>> {
        Fields(self.graph).filter_map(move |field| match field {
            Ok(Field {
                number: its,
                value: Value::Bytes(bytes),
                ..
            }) if its == number => Some(Ok(bytes)),
            Ok(_) => None,
            Err(broken) => Some(Err(broken.into())),
        })
    }

    /// The one node that reads `value` as numbers; `None` where there are several.
    fn only_reader(&self, value: &str) -> Result<Option<Node<'a>>, GraphError> {
        let mut found = None;
        for node in self.parts(schema::GRAPH_NODE) {
            let node = node?;
            let reads = all(node, schema::NODE_INPUT)?.contains(&value.as_bytes());
            // Who asks for the shape reads no numbers.
            if !reads || matches!(last(node, schema::NODE_OP_TYPE)?, Some(b"Shape" | b"Size")) {
                continue;
            }
            if found.is_some() {
                return Ok(None);
            }
            found = Some(Node::read(node)?);
        }
        Ok(found)
    }

    /// The mean of the constant that `node` combines `current` with, and whether it is the first operand.
    fn operand(&self, node: &Node<'a>, current: &str) -> Result<Option<(f64, bool)>, GraphError> {
        let (other, first) = match node.inputs.as_slice() {
            [a, b] if *a == current && *b != current => (*b, false),
            [a, b] if *b == current && *a != current => (*a, true),
            _ => return Ok(None),
        };
        let values = self.constant(other)?;
        Ok(values
            .and_then(|values| mean(&values))
            .map(|mean| (rounded(mean), first)))
    }

    /// The numbers of the constant called `name`: a tensor of the graph's, or a node's.
    fn constant(&self, name: &str) -> Result<Option<Vec<f64>>, GraphError> {
        for tensor in self.parts(schema::GRAPH_INITIALIZER) {
            let tensor = tensor?;
            if last(tensor, schema::TENSOR_NAME)? == Some(name.as_bytes()) {
                return numbers(tensor, self.folder);
            }
        }
        let Some(node) = self.constant_node(name)? else {
            return Ok(None);
        };
        for attribute in all(node, schema::NODE_ATTRIBUTE)? {
            match text(last(attribute, schema::ATTRIBUTE_NAME)?)? {
                "value" => {
                    let tensor = last(attribute, schema::ATTRIBUTE_T)?.unwrap_or_default();
                    return numbers(tensor, self.folder);
                }
                "value_float" => return floats(attribute, schema::ATTRIBUTE_F).map(Some),
                "value_floats" => return floats(attribute, schema::ATTRIBUTE_FLOATS).map(Some),
                "value_int" => {
                    let number = last_number(attribute, schema::ATTRIBUTE_I)?.unwrap_or_default();
                    return Ok(Some(vec![number.cast_signed() as f64]));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// The node without inputs that makes `name`.
    fn constant_node(&self, name: &str) -> Result<Option<&'a [u8]>, GraphError> {
        for node in self.parts(schema::GRAPH_NODE) {
            let node = node?;
            let makes = last(node, schema::NODE_OUTPUT)? == Some(name.as_bytes());
            if makes && last(node, schema::NODE_OP_TYPE)? == Some(b"Constant") {
                return Ok(Some(node));
            }
        }
        Ok(None)
    }

    /// What the statistics of a first batch normalisation say of the numbers that the network was trained on.
    fn of_statistics(&self, node: &Node<'a>) -> Result<Option<(Wanted, String)>, GraphError> {
        let [_, scale, shift, means, variances] = node.inputs.as_slice() else {
            return Ok(None);
        };
        let mut statistics = [0.0; 4];
        let mut plain = true;
        for (name, (statistic, neutral)) in [scale, shift, means, variances]
            .into_iter()
            .zip(statistics.iter_mut().zip([Some(1.0), Some(0.0), None, None]))
        {
            let Some(values) = self.constant(name)? else {
                return Ok(None);
            };
            let Some(value) = mean(&values) else {
                return Ok(None);
            };
            *statistic = value;
            plain &=
                neutral.is_none_or(|neutral: f64| values.iter().all(|v| v.to_bits() == neutral.to_bits()));
        }
        let [scale, shift, mean, variance] = statistics;
        let deviation = (variance + epsilon(node)?).max(0.0).sqrt();
        let line = Line {
            scale: scale / deviation,
            shift: shift - mean * scale / deviation,
        };
        let is_pixels = (30.0..=225.0).contains(&mean) && (deviation >= 10.0 || line.scale.abs() <= STEEPEST);
        // Trained statistics of -1 to 1 may lie here too: only where nothing was trained is it certain.
        let is_shares = plain && (0.3..=0.7).contains(&mean) && (0.1..=0.4).contains(&deviation);
        let wanted = match (is_pixels, is_shares) {
            (true, _) => Wanted::Pixels,
            (_, true) => Wanted::Shares,
            _ => return Ok(None),
        };
        let word = format!(
            "BatchNormalization of mean {} and deviation {}",
            rounded(mean),
            rounded(deviation)
        );
        Ok(Some((wanted, word)))
    }
}

impl<'a> Node<'a> {
    fn read(whole: &'a [u8]) -> Result<Self, GraphError> {
        let inputs = all(whole, schema::NODE_INPUT)?.into_iter();
        Ok(Self {
            operator: text(last(whole, schema::NODE_OP_TYPE)?)?,
            inputs: inputs.map(|name| text(Some(name))).collect::<Result<_, _>>()?,
            output: text(all(whole, schema::NODE_OUTPUT)?.first().copied())?,
            whole,
        })
    }
}

fn epsilon(node: &Node<'_>) -> Result<f64, GraphError> {
    for attribute in all(node.whole, schema::NODE_ATTRIBUTE)? {
        if last(attribute, schema::ATTRIBUTE_NAME)? == Some(b"epsilon") {
            for field in Fields(attribute) {
                if let Field {
                    number: schema::ATTRIBUTE_F,
                    value: Value::Fixed(bytes),
                    ..
                } = field?
                    && let Ok(bytes) = bytes.try_into()
                {
                    return Ok(f32::from_le_bytes(bytes).into());
                }
            }
        }
    }
    Ok(1e-5)
}

/// The steepest line that is meant for 0 to 255: it leaves a range of 13.
const STEEPEST: f64 = 0.05;

impl Line {
    /// This line, and then `operator` with `value`, as its `first` operand or its second; `None` where that is no line.
    fn after(self, operator: &str, value: f64, first: bool) -> Option<Self> {
        let Self { scale, shift } = self;
        let (scale, shift) = match (operator, first) {
            ("Add", _) => (scale, shift + value),
            ("Sub", false) => (scale, shift - value),
            ("Sub", true) => (-scale, value - shift),
            ("Mul", _) => (scale * value, shift * value),
            ("Div", false) => (scale / value, shift / value),
            _ => return None,
        };
        (scale.is_normal() && shift.is_finite()).then_some(Self { scale, shift })
    }

    /// The numbers that it makes small and centred; `None` where these are small and centred before.
    fn wanted(self) -> Option<Wanted> {
        let scale = self.scale.abs();
        // What becomes 0.
        let centre = -self.shift / self.scale;
        let flattens = scale <= STEEPEST && (-20.0..=275.0).contains(&centre);
        let centres = (40.0..=215.0).contains(&centre);
        if flattens || centres {
            return Some(Wanted::Pixels);
        }
        let centres_shares = (0.2..=0.8).contains(&centre) && (0.9..=10.0).contains(&scale);
        let makes_pixels = scale >= 100.0 && (-0.1..=0.8).contains(&centre);
        (centres_shares || makes_pixels).then_some(Wanted::Shares)
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    mean.is_finite().then_some(mean)
}

/// To six digits, as people read it.
fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "these numbers are exact in binary")]
    use super::{
        super::{
            builtin::{constant, network, node, scalar},
            schema::FLOAT,
            wire::put_bytes,
        },
        *,
    };

    /// What is found in a network of these nodes, each from the one before, and a Relu behind them.
    fn found(nodes: &[(&str, bool, &[f32])]) -> Option<(f32, String)> {
        let (mut written, mut constants, mut last) = (Vec::new(), Vec::new(), "x".to_owned());
        for (place, (operator, first, values)) in nodes.iter().enumerate() {
            let (name, output) = (format!("c{place}"), format!("n{place}"));
            let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            constants.push(constant(&name, &[values.len() as u64], &raw));
            let inputs: Vec<&str> = match (values.is_empty(), first) {
                (true, _) => vec![&last],
                (_, true) => vec![&name, &last],
                (_, false) => vec![&last, &name],
            };
            written.push(node(operator, &inputs, &output, &[]));
            last = output;
        }
        written.push(node("Relu", &[&last], "y", &[]));
        normalization(&written, &constants)
    }

    fn normalization(nodes: &[Vec<u8>], constants: &[Vec<u8>]) -> Option<(f32, String)> {
        let model = network(nodes, constants, [1, 3, 112, 112], FLOAT);
        let own = own_normalization(&model, Path::new(".")).unwrap()?;
        assert!(own.mean == 0.0);
        Some((own.divisor, own.nodes))
    }

    #[test]
    fn pixels_are_wanted_where_they_are_centred_or_flattened() {
        let factor = 1.0 / 127.5;
        for nodes in [
            &[("Sub", false, &[127.5][..]), ("Mul", false, &[factor])][..],
            &[("Sub", false, &[127.5]), ("Div", false, &[128.0])],
            &[("Mul", false, &[factor]), ("Sub", false, &[1.0])],
            &[("Mul", true, &[factor]), ("Add", true, &[-1.0])],
            &[("Add", false, &[-127.5]), ("Mul", false, &[factor])],
            &[
                ("Identity", false, &[]),
                ("Cast", false, &[]),
                ("Div", false, &[255.0]),
            ],
            &[
                ("Div", false, &[255.0]),
                ("Sub", false, &[0.485, 0.456, 0.406]),
                ("Div", false, &[0.229, 0.224, 0.225]),
            ],
            &[("Sub", false, &[104.0, 117.0, 123.0])],
            &[("Sub", true, &[127.5]), ("Mul", false, &[-factor])],
        ] {
            assert_eq!(found(nodes).map(|found| found.0), Some(1.0), "{nodes:?}");
        }
        let words = found(&[("Sub", false, &[127.5]), ("Mul", false, &[factor])])
            .unwrap()
            .1;
        assert_eq!(words, "Sub 127.5, Mul 0.00784314");
    }

    #[test]
    fn shares_are_told_from_pixels_and_from_what_is_normalised_already() {
        for nodes in [
            &[("Sub", false, &[0.5][..]), ("Div", false, &[0.5])][..],
            &[
                ("Sub", false, &[0.485, 0.456, 0.406]),
                ("Div", false, &[0.229, 0.224, 0.225]),
            ],
            &[("Mul", false, &[255.0])],
            &[
                ("Mul", false, &[255.0]),
                ("Sub", false, &[127.5]),
                ("Mul", false, &[1.0 / 128.0]),
            ],
        ] {
            assert_eq!(found(nodes).map(|found| found.0), Some(255.0), "{nodes:?}");
        }
        for nodes in [
            &[][..],
            &[("Mul", false, &[1.0][..])],
            &[("Add", false, &[1.0]), ("Mul", false, &[0.5])],
            &[("Mul", false, &[127.5]), ("Add", false, &[127.5])],
            &[("Mul", false, &[0.0])],
            &[("Mul", false, &[f32::NAN])],
            &[("Div", true, &[127.5])],
            &[("Pow", false, &[127.5])],
        ] {
            assert_eq!(found(nodes), None, "{nodes:?}");
        }
    }

    #[test]
    fn statistics_of_a_first_normalisation_say_what_was_trained_on() {
        let normalised = |statistics: [f32; 4]| {
            let names = ["scale", "shift", "mean", "variance"];
            let constants: Vec<_> = names
                .iter()
                .zip(statistics)
                .map(|(name, value)| constant(name, &[3], &value.to_le_bytes().repeat(3)))
                .collect();
            let inputs: Vec<&str> = std::iter::once("x").chain(names).collect();
            normalization(&[node("BatchNormalization", &inputs, "y", &[])], &constants)
        };
        assert_eq!(
            normalised([1.0, 0.1, 120.0, 3600.0]),
            Some((1.0, "BatchNormalization of mean 120 and deviation 60".to_owned()))
        );
        assert_eq!(normalised([1.0 / 128.0, 0.0, 127.5, 1.0]).unwrap().0, 1.0);
        assert_eq!(normalised([1.0, 0.0, 0.45, 0.0625]).unwrap().0, 255.0);
        assert_eq!(normalised([1.3, 0.2, 0.45, 0.0625]), None);
        assert_eq!(normalised([1.1, -0.3, -0.2, 0.3]), None);
    }

    #[test]
    fn constants_may_be_nodes_and_shapes_may_be_asked_for() {
        let float = |value: f32| {
            let mut attribute = Vec::new();
            put_bytes(&mut attribute, schema::ATTRIBUTE_NAME, b"value");
            put_bytes(&mut attribute, schema::ATTRIBUTE_T, &scalar("", value));
            attribute
        };
        let nodes = [
            node("Constant", &[], "m", &[float(127.5)]),
            node("Shape", &["x"], "s", &[]),
            node("Sub", &["x", "m"], "y", &[]),
        ];
        assert_eq!(normalization(&nodes, &[]), Some((1.0, "Sub 127.5".to_owned())));
        // Two readers: neither is first.
        let two = [&nodes[..], &[node("Relu", &["x"], "z", &[])]].concat();
        assert_eq!(normalization(&two, &[]), None);
    }

    #[test]
    fn the_embedded_networks_are_fed_as_their_card_says() {
        for name in ["facebench-det", "facebench-rec"] {
            let path = format!("{}/models/{name}.onnx", env!("CARGO_MANIFEST_DIR"));
            let model = std::fs::read(path).unwrap();
            assert_eq!(own_normalization(&model, Path::new(".")).unwrap(), None, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(0u8..=255, 0..200)) {
            let _ = own_normalization(&bytes, Path::new("."));
        }
    }
}
