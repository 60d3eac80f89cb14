//! Edits an ONNX file so that its network reads bytes: pixels go to the device as they are, a quarter of the floats'
//! size, and are normalised there. Everything else is copied as it stands, whatever version it is of.

use thiserror::Error;

use super::{
    made::{FLOAT, attribute, node, scalar},
    wire::{Broken, Field, Fields, Value, put_bytes, put_number},
};

/// The name of the input that is put before the network's own.
pub const BYTES_INPUT: &str = "facebench_bytes";

const UINT8: u64 = 2;

/// Why a file cannot be edited.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum GraphError {
    /// It ends or breaks where it should not.
    #[error("it is not an ONNX file, or a damaged one")]
    Malformed,
    /// It reshapes to the shape of one picture.
    #[error("it reshapes to the shape of one picture, and runs on no more")]
    Batch,
    /// It has no input of four sides of floats.
    #[error("it does not read one float tensor of four sides")]
    Input,
}

impl From<Broken> for GraphError {
    fn from(_: Broken) -> Self {
        Self::Malformed
    }
}

/// How a pixel of 0 to 255 becomes a number: `(pixel - mean) / divisor`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaling {
    /// Subtracted first.
    pub mean: f32,
    /// Divided by next; never 0.
    pub divisor: f32,
}

/// The same network with a first input [`BYTES_INPUT`] of bytes, batch x height x width x 3, in place of its own
/// batch x 3 x height x width of floats. The planes keep the order of the bytes.
pub fn with_byte_input(model: &[u8], scaling: Scaling) -> Result<Vec<u8>, GraphError> {
    let mut edited = Vec::with_capacity(model.len() + 1024);
    let mut found = false;
    for field in Fields(model) {
        let field = field?;
        if let (7, Value::Bytes(graph)) = (field.number, &field.value) {
            put_bytes(&mut edited, 7, &edit_graph(graph, scaling)?);
            found = true;
        } else {
            edited.extend_from_slice(field.whole);
        }
    }
    if found {
        Ok(edited)
    } else {
        Err(GraphError::Malformed)
    }
}

/// Whether most weights of the network are 16-bit floats.
pub fn is_half(model: &[u8]) -> Result<bool, GraphError> {
    /// `TensorProto.FLOAT16`.
    const HALF: u64 = 10;
    is_mostly(model, &[HALF])
}

/// Whether most weights of the network are 8-bit integers.
pub fn is_quantized(model: &[u8]) -> Result<bool, GraphError> {
    /// `TensorProto.UINT8` and `INT8`.
    const BYTES: [u64; 2] = [2, 3];
    is_mostly(model, &BYTES)
}

/// Whether most bytes of the network's weights are of these types of `TensorProto`.
fn is_mostly(model: &[u8], types: &[u64]) -> Result<bool, GraphError> {
    let graph = only(model, 7)?.ok_or(GraphError::Malformed)?;
    let (mut such, mut all) = (0, 0);
    for field in Fields(graph) {
        let Field {
            number: 5,
            value: Value::Bytes(tensor),
            ..
        } = field?
        else {
            continue;
        };
        all += tensor.len();
        let is_such = Fields(tensor).any(|field| {
            matches!(
                field,
                Ok(Field {
                    number: 2,
                    value: Value::Number(kind),
                    ..
                }) if types.contains(&kind)
            )
        });
        such += if is_such { tensor.len() } else { 0 };
    }
    Ok(such * 2 > all)
}

/// The network's own input: its name, and its sides as they stand in the file, `None` where open.
pub fn input(model: &[u8]) -> Result<(String, Vec<Option<usize>>), GraphError> {
    let graph = only(model, 7)?.ok_or(GraphError::Malformed)?;
    let info = graph_input(graph)?;
    let sides = info
        .sides
        .iter()
        .map(|side| {
            let length = Fields(side).find_map(|field| match field {
                Ok(Field {
                    number: 1,
                    value: Value::Number(length),
                    ..
                }) => Some(length),
                _ => None,
            });
            // Old exports write an open side as -1 or 0.
            length
                .and_then(|length| usize::try_from(length.cast_signed()).ok())
                .filter(|length| *length > 0)
        })
        .collect();
    Ok((info.name.to_owned(), sides))
}

fn edit_graph(graph: &[u8], scaling: Scaling) -> Result<Vec<u8>, GraphError> {
    let info = graph_input(graph)?;
    let mut edited = Vec::with_capacity(graph.len() + 1024);
    // Nodes must stand in the order in which they run: the new ones are first.
    let mut last = "facebench_floats";
    put_bytes(
        &mut edited,
        1,
        &node("Cast", &[BYTES_INPUT], last, &[attribute("to", 2, &[FLOAT])]),
    );
    for (operator, value, constant, result) in [
        ("Sub", scaling.mean, "facebench_mean", "facebench_centred"),
        ("Div", scaling.divisor, "facebench_divisor", "facebench_scaled"),
    ] {
        put_bytes(&mut edited, 1, &node(operator, &[last, constant], result, &[]));
        put_bytes(&mut edited, 5, &scalar(constant, value));
        last = result;
    }
    let planes = attribute("perm", 7, &[0, 3, 1, 2]);
    put_bytes(&mut edited, 1, &node("Transpose", &[last], info.name, &[planes]));
    let mut put = false;
    for field in Fields(graph) {
        let field = field?;
        let is_input =
            field.number == 11 && matches!(field.value, Value::Bytes(bytes) if bytes == info.whole);
        if is_input && !put {
            put_bytes(&mut edited, 11, &bytes_info(&info));
            put = true;
        } else {
            edited.extend_from_slice(field.whole);
        }
    }
    Ok(edited)
}

/// A graph's input, as its `ValueInfoProto` has it.
struct Info<'a> {
    whole: &'a [u8],
    name: &'a str,
    /// Each a `Dimension`: a length, a name, or nothing.
    sides: Vec<&'a [u8]>,
}

/// The one input that is no constant: old files list their constants among the inputs.
fn graph_input(graph: &[u8]) -> Result<Info<'_>, GraphError> {
    let mut constants = Vec::new();
    let mut inputs = Vec::new();
    for field in Fields(graph) {
        match field? {
            Field {
                number: 5,
                value: Value::Bytes(tensor),
                ..
            } => constants.push(text(only(tensor, 8)?)?),
            Field {
                number: 11,
                value: Value::Bytes(info),
                ..
            } => inputs.push(info),
            _ => {}
        }
    }
    for whole in inputs {
        let name = text(only(whole, 1)?)?;
        if constants.contains(&name) {
            continue;
        }
        let tensor = only(whole, 2)?.map(|kind| only(kind, 1)).transpose()?.flatten();
        let tensor = tensor.ok_or(GraphError::Input)?;
        let is_float = Fields(tensor).any(|field| {
            matches!(
                field,
                Ok(Field {
                    number: 1,
                    value: Value::Number(FLOAT),
                    ..
                })
            )
        });
        let shape = only(tensor, 2)?.unwrap_or_default();
        let sides = Fields(shape)
            .filter_map(|field| match field {
                Ok(Field {
                    number: 1,
                    value: Value::Bytes(side),
                    ..
                }) => Some(Ok(side)),
                Ok(_) => None,
                Err(error) => Some(Err(error.into())),
            })
            .collect::<Result<Vec<_>, GraphError>>()?;
        if !is_float || sides.len() != 4 {
            return Err(GraphError::Input);
        }
        return Ok(Info { whole, name, sides });
    }
    Err(GraphError::Input)
}

/// The input of bytes: the same sides, channels last.
fn bytes_info(info: &Info<'_>) -> Vec<u8> {
    let mut shape = Vec::new();
    for side in [info.sides[0], info.sides[2], info.sides[3]] {
        put_bytes(&mut shape, 1, side);
    }
    let mut channels = Vec::new();
    put_number(&mut channels, 1, 3);
    put_bytes(&mut shape, 1, &channels);
    let mut tensor = Vec::new();
    put_number(&mut tensor, 1, UINT8);
    put_bytes(&mut tensor, 2, &shape);
    let mut kind = Vec::new();
    put_bytes(&mut kind, 1, &tensor);
    let mut value = Vec::new();
    put_bytes(&mut value, 1, BYTES_INPUT.as_bytes());
    put_bytes(&mut value, 2, &kind);
    value
}

/// All fields `number` of a message that hold bytes.
pub(super) fn all(message: &[u8], number: u64) -> Result<Vec<&[u8]>, GraphError> {
    let mut found = Vec::new();
    for field in Fields(message) {
        if let Field {
            number: n,
            value: Value::Bytes(bytes),
            ..
        } = field?
            && n == number
        {
            found.push(bytes);
        }
    }
    Ok(found)
}

/// The last field `number` of a message, if it is there and holds bytes.
pub(super) fn only(message: &[u8], number: u64) -> Result<Option<&[u8]>, GraphError> {
    Ok(all(message, number)?.pop())
}

fn text(bytes: Option<&[u8]>) -> Result<&str, GraphError> {
    std::str::from_utf8(bytes.unwrap_or_default()).map_err(|_| GraphError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::super::made::one_node;
    use super::*;

    fn relu(sides: [u64; 4], kind: u64) -> Vec<u8> {
        let unused = scalar("unused", 1.0);
        one_node(
            &node("Relu", &["x"], "y", &[]),
            sides,
            kind,
            Some(&unused),
            Some("unused"),
        )
    }

    const SCALING: Scaling = Scaling {
        mean: 127.5,
        divisor: 128.0,
    };

    #[test]
    fn the_input_is_the_one_that_is_no_constant() {
        let (name, sides) = input(&relu([0, 3, 112, 112], FLOAT)).unwrap();
        assert_eq!(
            (name.as_str(), sides),
            ("x", vec![None, Some(3), Some(112), Some(112)])
        );
    }

    #[test]
    fn the_new_input_comes_before_the_networks_own_nodes() {
        let edited = with_byte_input(&relu([0, 3, 16, 8], FLOAT), SCALING).unwrap();
        let graph = only(&edited, 7).unwrap().unwrap();
        let operators: Vec<_> = Fields(graph)
            .map(Result::unwrap)
            .filter(|field| field.number == 1)
            .map(|field| match field.value {
                Value::Bytes(node) => text(only(node, 4).unwrap()).unwrap().to_owned(),
                _ => String::new(),
            })
            .collect();
        assert_eq!(operators, ["Cast", "Sub", "Div", "Transpose", "Relu"]);
        // It reads bytes now, so it cannot be edited a second time.
        assert_eq!(with_byte_input(&edited, SCALING), Err(GraphError::Input));
    }

    #[test]
    fn what_reads_no_floats_is_refused() {
        assert_eq!(
            with_byte_input(&relu([1, 3, 8, 8], 7), SCALING),
            Err(GraphError::Input)
        );
        assert_eq!(with_byte_input(b"no model", SCALING), Err(GraphError::Malformed));
        assert_eq!(with_byte_input(b"", SCALING), Err(GraphError::Malformed));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_editor_panic(bytes in proptest::collection::vec(0u8..=255, 0..200), cut in 0usize..400) {
            let _ = with_byte_input(&bytes, SCALING);
            let model = relu([1, 3, 8, 8], FLOAT);
            let _ = with_byte_input(&model[..cut.min(model.len())], SCALING);
            let _ = input(&bytes);
        }
    }
}
