//! Small ONNX networks that tests write themselves: protobuf by hand, as far as they need it.

/// A dimension: a length, or open.
pub type Side = Option<i64>;

/// A network in the making; its one input is called `input`.
#[derive(Clone)]
pub struct Net {
    graph: Vec<u8>,
}

/// A value of an attribute.
pub enum Value<'a> {
    Int(i64),
    Ints(&'a [i64]),
    Graph(&'a Net),
}

fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

fn number(message: &mut Vec<u8>, field: u64, value: i64) {
    varint(message, field << 3);
    varint(message, value.cast_unsigned());
}

fn bytes(message: &mut Vec<u8>, field: u64, content: &[u8]) {
    varint(message, field << 3 | 2);
    varint(message, content.len() as u64);
    message.extend_from_slice(content);
}

fn info(name: &str, element: i64, sides: Option<&[Side]>) -> Vec<u8> {
    let (mut shape, mut tensor, mut kind, mut value) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    number(&mut tensor, 1, element);
    if let Some(sides) = sides {
        for (place, side) in sides.iter().enumerate() {
            let mut dimension = Vec::new();
            match side {
                Some(length) => number(&mut dimension, 1, *length),
                None => bytes(&mut dimension, 2, format!("open{place}").as_bytes()),
            }
            bytes(&mut shape, 1, &dimension);
        }
        bytes(&mut tensor, 2, &shape);
    }
    bytes(&mut kind, 1, &tensor);
    bytes(&mut value, 1, name.as_bytes());
    bytes(&mut value, 2, &kind);
    value
}

fn tensor(name: &str, sides: &[i64], element: i64, raw: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    for side in sides {
        number(&mut message, 1, *side);
    }
    number(&mut message, 2, element);
    bytes(&mut message, 8, name.as_bytes());
    bytes(&mut message, 9, raw);
    message
}

pub const FLOAT: i64 = 1;
pub const INT64: i64 = 7;
pub const BOOL: i64 = 9;

impl Net {
    /// A network that reads floats of these sides.
    pub fn reading(sides: &[Side]) -> Self {
        Self::default().input("input", FLOAT, Some(sides))
    }

    /// A graph without anything: the body of a loop.
    pub fn empty() -> Self {
        let mut graph = Vec::new();
        bytes(&mut graph, 2, b"g");
        Self { graph }
    }

    fn default() -> Self {
        Self::empty()
    }

    pub fn input(mut self, name: &str, element: i64, sides: Option<&[Side]>) -> Self {
        bytes(&mut self.graph, 11, &info(name, element, sides));
        self
    }

    pub fn output(self, name: &str, sides: &[Side]) -> Self {
        self.output_of(name, FLOAT, Some(sides))
    }

    pub fn output_of(mut self, name: &str, element: i64, sides: Option<&[Side]>) -> Self {
        bytes(&mut self.graph, 12, &info(name, element, sides));
        self
    }

    pub fn node(self, operator: &str, inputs: &[&str], output: &str) -> Self {
        self.node_with(operator, inputs, &[output], &[])
    }

    pub fn node_with(
        mut self,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: &[(&str, Value<'_>)],
    ) -> Self {
        let mut node = Vec::new();
        for input in inputs {
            bytes(&mut node, 1, input.as_bytes());
        }
        for output in outputs {
            bytes(&mut node, 2, output.as_bytes());
        }
        bytes(&mut node, 4, operator.as_bytes());
        for (name, value) in attributes {
            let mut attribute = Vec::new();
            bytes(&mut attribute, 1, name.as_bytes());
            let kind = match value {
                Value::Int(value) => {
                    number(&mut attribute, 3, *value);
                    2
                }
                Value::Graph(net) => {
                    bytes(&mut attribute, 6, &net.graph);
                    5
                }
                Value::Ints(values) => {
                    values.iter().for_each(|value| number(&mut attribute, 8, *value));
                    7
                }
            };
            number(&mut attribute, 20, kind);
            bytes(&mut node, 5, &attribute);
        }
        bytes(&mut self.graph, 1, &node);
        self
    }

    pub fn constant(mut self, name: &str, sides: &[i64], values: &[f32]) -> Self {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        bytes(&mut self.graph, 5, &tensor(name, sides, FLOAT, &raw));
        self
    }

    pub fn integers(mut self, name: &str, sides: &[i64], values: &[i64]) -> Self {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        bytes(&mut self.graph, 5, &tensor(name, sides, INT64, &raw));
        self
    }

    pub fn yes(mut self, name: &str) -> Self {
        bytes(&mut self.graph, 5, &tensor(name, &[], BOOL, &[1]));
        self
    }

    /// A constant of floats whose numbers lie in another file.
    pub fn elsewhere(mut self, name: &str, sides: &[i64], entries: &[(&str, &str)]) -> Self {
        let mut message = Vec::new();
        for side in sides {
            number(&mut message, 1, *side);
        }
        number(&mut message, 2, FLOAT);
        bytes(&mut message, 8, name.as_bytes());
        for (key, value) in entries {
            let mut entry = Vec::new();
            bytes(&mut entry, 1, key.as_bytes());
            bytes(&mut entry, 2, value.as_bytes());
            bytes(&mut message, 13, &entry);
        }
        number(&mut message, 14, 1);
        bytes(&mut self.graph, 5, &message);
        self
    }

    /// The file.
    pub fn onnx(&self) -> Vec<u8> {
        let (mut opset, mut model) = (Vec::new(), Vec::new());
        number(&mut opset, 2, 17);
        number(&mut model, 1, 8);
        bytes(&mut model, 7, &self.graph);
        bytes(&mut model, 8, &opset);
        model
    }
}

/// Numbers that look random and are the same everywhere.
pub fn weights(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1u32 << 23) as f32 - 1.0
    };
    (0..count).map(next).collect()
}

/// Numbers of the embedding of [`recognizer`].
pub const EMBEDDING: i64 = 64;
/// Numbers of what it multiplies.
pub const TILES: i64 = 192;

/// A recognizer: what `first` makes of its input (from `input` to `x`), the means of 8x8 tiles of each channel, and a map
/// of `weights` (192 x 64).
pub fn recognizer(first: impl FnOnce(Net) -> Net, weights: &[f32]) -> Net {
    let net = first(Net::reading(&[None, Some(3), Some(112), Some(112)]));
    let net = net.constant("w", &[TILES, EMBEDDING], weights);
    embedding(net).output("embedding", &[None, Some(EMBEDDING)])
}

/// The nodes from `x` to `embedding`, the weights being `w`.
pub fn embedding(net: Net) -> Net {
    net.node_with(
        "AveragePool",
        &["x"],
        &["tiles"],
        &[
            ("kernel_shape", Value::Ints(&[14, 14])),
            ("strides", Value::Ints(&[14, 14])),
        ],
    )
    .node("Flatten", &["tiles"], "flat")
    .node("MatMul", &["flat", "w"], "embedding")
}
