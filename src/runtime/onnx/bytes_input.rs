//! Edits an ONNX file so that its network reads bytes: pixels go to the device as they are, a quarter of the floats'
//! size, and are normalised there. Everything else is copied as it stands, whatever version it is of.

use super::{
    builtin::{Ints, attribute, node, scalar, value_info},
    graph::{GraphError, ValueInfo, edited, graph_of, inputs},
    schema,
    wire::{Fields, Value, put_bytes, put_number},
};

/// The name of the input that is put before the network's own.
pub const BYTES_INPUT: &str = "facebench_bytes";

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
    graph_of(model)?;
    edited(model, schema::MODEL_GRAPH, &|graph| edit_graph(graph, scaling))
}

/// The network's own input: its name, and its dimensions as they stand in the file, `None` where dynamic.
pub fn input(model: &[u8]) -> Result<(String, Vec<Option<usize>>), GraphError> {
    let input = picture_input(graph_of(model)?)?;
    Ok((input.name.to_owned(), input.lengths()?))
}

/// The first input, which must be of floats and of four dimensions.
pub(super) fn picture_input(graph: &[u8]) -> Result<ValueInfo<'_>, GraphError> {
    inputs(graph)?
        .into_iter()
        .next()
        .filter(|input| input.is_f32 && input.dimensions.len() == 4)
        .ok_or(GraphError::Input)
}

fn edit_graph(graph: &[u8], scaling: Scaling) -> Result<Vec<u8>, GraphError> {
    let input = picture_input(graph)?;
    let mut written = Vec::with_capacity(graph.len() + 1024);
    let add_node = |written: &mut Vec<u8>, node: Vec<u8>| put_bytes(written, schema::GRAPH_NODE, &node);
    // Nodes must stand in the order in which they run: the new ones are first.
    let mut last = "facebench_floats";
    let to_floats = attribute("to", Ints::One(schema::FLOAT));
    add_node(&mut written, node("Cast", &[BYTES_INPUT], last, &[to_floats]));
    for (operator, value, constant, result) in [
        ("Sub", scaling.mean, "facebench_mean", "facebench_centred"),
        ("Div", scaling.divisor, "facebench_divisor", "facebench_scaled"),
    ] {
        add_node(&mut written, node(operator, &[last, constant], result, &[]));
        put_bytes(&mut written, schema::GRAPH_INITIALIZER, &scalar(constant, value));
        last = result;
    }
    let planes = attribute("perm", Ints::List(&[0, 3, 1, 2]));
    add_node(&mut written, node("Transpose", &[last], input.name, &[planes]));
    let mut is_replaced = false;
    for field in Fields(graph) {
        let field = field?;
        let is_input = field.number == schema::GRAPH_INPUT
            && matches!(field.value, Value::Bytes(bytes) if bytes == input.whole);
        if is_input && !is_replaced {
            put_bytes(&mut written, schema::GRAPH_INPUT, &bytes_input(&input));
            is_replaced = true;
        } else {
            written.extend_from_slice(field.whole);
        }
    }
    Ok(written)
}

/// The input of bytes: the same dimensions, channels last.
fn bytes_input(input: &ValueInfo<'_>) -> Vec<u8> {
    let mut channels = Vec::new();
    put_number(&mut channels, schema::DIMENSION_LENGTH, 3);
    let sides = [
        input.dimensions[0],
        input.dimensions[2],
        input.dimensions[3],
        &channels,
    ];
    value_info(BYTES_INPUT, sides, schema::UINT8)
}

#[cfg(test)]
mod tests {
    use super::super::{
        builtin::one_node,
        graph::{all, last, text},
        schema::FLOAT,
    };
    use super::*;

    fn relu(sides: [u64; 4], data_type: u64) -> Vec<u8> {
        let unused = scalar("unused", 1.0);
        one_node(
            &node("Relu", &["x"], "y", &[]),
            sides,
            data_type,
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
        let operators: Vec<_> = all(graph_of(&edited).unwrap(), schema::GRAPH_NODE)
            .unwrap()
            .into_iter()
            .map(|node| text(last(node, schema::NODE_OP_TYPE).unwrap()).unwrap())
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
