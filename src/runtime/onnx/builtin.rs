//! Networks that facebench writes itself: the smallest one, to try a provider with, and one that only multiplies
//! matrices, to keep a device busy.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    schema::{self, FLOAT},
    wire::{put_bytes, put_number},
};

/// The smallest network that a provider can be tried with: one convolution over 1x3x8x8 floats, for which some load more
/// libraries.
pub fn smallest() -> Vec<u8> {
    let weights = constant("w", &[3, 3, 1, 1], &[0; 9 * 4]);
    let convolution = node("Conv", &["x", "w"], "y", &[]);
    one_node(&convolution, [1, 3, 8, 8], FLOAT, Some(&weights), None)
}

/// Multiplies `products` matrices of `side` x `side` floats, one after the other, and answers with the largest number of
/// the last: the input is a row of `side` (1 x 1 x 1 x `side`), so that next to nothing is copied to a device or back.
pub fn matrix_products(side: usize, products: usize) -> Vec<u8> {
    // Zeros would be easier work than numbers; these stay of one size from product to product.
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let scale = (3.0 / side as f32).sqrt();
    let numbers: Vec<u8> = (0..side * side)
        .flat_map(|_| (random.random_range(-1.0..1.0_f32) * scale).to_le_bytes())
        .collect();
    let sides = [side as u64; 2];
    // From the input on nothing can be computed ahead.
    let mut nodes = vec![node("Add", &["x", "w"], "p0", &[])];
    for product in 0..products {
        let (from, to) = (format!("p{product}"), format!("p{}", product + 1));
        nodes.push(node("MatMul", &[&from, "w"], &to, &[]));
    }
    let last = format!("p{products}");
    let largest = [
        attribute("axes", Ints::List(&[0, 1, 2, 3])),
        attribute("keepdims", Ints::One(1)),
    ];
    nodes.push(node("ReduceMax", &[&last], "y", &largest));
    let mut graph = Vec::new();
    for node in nodes {
        put_bytes(&mut graph, schema::GRAPH_NODE, &node);
    }
    put_bytes(
        &mut graph,
        schema::GRAPH_INITIALIZER,
        &constant("w", &sides, &numbers),
    );
    put_bytes(
        &mut graph,
        schema::GRAPH_INPUT,
        &info("x", [1, 1, 1, side as u64], FLOAT),
    );
    put_bytes(&mut graph, schema::GRAPH_OUTPUT, &info("y", [1; 4], FLOAT));
    model(&graph)
}

/// A network of one node from `x` to `y`, both of these dimensions (0 for a dynamic one), with a constant. Old files list their
/// constants among the inputs: `listed` is the name of one.
pub(super) fn one_node(
    node: &[u8],
    sides: [u64; 4],
    data_type: u64,
    constant: Option<&[u8]>,
    listed: Option<&str>,
) -> Vec<u8> {
    let mut graph = Vec::new();
    put_bytes(&mut graph, schema::GRAPH_NODE, node);
    if let Some(constant) = constant {
        put_bytes(&mut graph, schema::GRAPH_INITIALIZER, constant);
    }
    if let Some(listed) = listed {
        put_bytes(&mut graph, schema::GRAPH_INPUT, &info(listed, sides, data_type));
    }
    put_bytes(&mut graph, schema::GRAPH_INPUT, &info("x", sides, data_type));
    put_bytes(&mut graph, schema::GRAPH_OUTPUT, &info("y", sides, data_type));
    model(&graph)
}

/// A network of several nodes and constants from `x` to `y`, likewise.
#[cfg(test)]
pub(super) fn network(nodes: &[Vec<u8>], constants: &[Vec<u8>], sides: [u64; 4], data_type: u64) -> Vec<u8> {
    let mut graph = Vec::new();
    for node in nodes {
        put_bytes(&mut graph, schema::GRAPH_NODE, node);
    }
    for constant in constants {
        put_bytes(&mut graph, schema::GRAPH_INITIALIZER, constant);
    }
    put_bytes(&mut graph, schema::GRAPH_INPUT, &info("x", sides, data_type));
    put_bytes(&mut graph, schema::GRAPH_OUTPUT, &info("y", sides, data_type));
    model(&graph)
}

fn model(graph: &[u8]) -> Vec<u8> {
    let (mut opset, mut model) = (Vec::new(), Vec::new());
    put_number(&mut opset, schema::OPSET_VERSION, 17);
    put_number(&mut model, schema::MODEL_IR_VERSION, 8);
    put_bytes(&mut model, schema::MODEL_GRAPH, graph);
    put_bytes(&mut model, schema::MODEL_OPSET_IMPORT, &opset);
    model
}

/// What a graph declares of an input or output; a dimension of 0 is dynamic.
fn info(name: &str, lengths: [u64; 4], data_type: u64) -> Vec<u8> {
    let sides = lengths.map(|length| {
        let mut side = Vec::new();
        if length == 0 {
            put_bytes(&mut side, schema::DIMENSION_NAME, b"n");
        } else {
            put_number(&mut side, schema::DIMENSION_LENGTH, length);
        }
        side
    });
    value_info(name, sides.each_ref().map(Vec::as_slice), data_type)
}

/// What a graph declares of an input or output, its dimensions as messages.
pub(super) fn value_info(name: &str, sides: [&[u8]; 4], data_type: u64) -> Vec<u8> {
    let (mut shape, mut tensor, mut outer, mut value) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for side in sides {
        put_bytes(&mut shape, schema::SHAPE_DIMENSION, side);
    }
    put_number(&mut tensor, schema::TENSOR_TYPE_ELEMENT, data_type);
    put_bytes(&mut tensor, schema::TENSOR_TYPE_SHAPE, &shape);
    put_bytes(&mut outer, schema::TYPE_TENSOR, &tensor);
    put_bytes(&mut value, schema::VALUE_NAME, name.as_bytes());
    put_bytes(&mut value, schema::VALUE_TYPE, &outer);
    value
}

/// A constant of floats, as bytes of the lower first.
pub(super) fn constant(name: &str, sides: &[u64], values: &[u8]) -> Vec<u8> {
    let mut tensor = Vec::new();
    for side in sides {
        put_number(&mut tensor, schema::TENSOR_DIMS, *side);
    }
    put_number(&mut tensor, schema::TENSOR_DATA_TYPE, FLOAT);
    put_bytes(&mut tensor, schema::TENSOR_NAME, name.as_bytes());
    put_bytes(&mut tensor, schema::TENSOR_RAW_DATA, values);
    tensor
}

/// A constant without dimensions: one number.
pub(super) fn scalar(name: &str, value: f32) -> Vec<u8> {
    constant(name, &[], &value.to_le_bytes())
}

pub(super) fn node(operator: &str, inputs: &[&str], output: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut node = Vec::new();
    for input in inputs {
        put_bytes(&mut node, schema::NODE_INPUT, input.as_bytes());
    }
    put_bytes(&mut node, schema::NODE_OUTPUT, output.as_bytes());
    put_bytes(&mut node, schema::NODE_NAME, format!("{output}_node").as_bytes());
    put_bytes(&mut node, schema::NODE_OP_TYPE, operator.as_bytes());
    for attribute in attributes {
        put_bytes(&mut node, schema::NODE_ATTRIBUTE, attribute);
    }
    node
}

/// What an attribute of integers holds.
#[derive(Clone, Copy)]
pub(super) enum Ints<'a> {
    One(u64),
    List(&'a [u64]),
}

pub(super) fn attribute(name: &str, value: Ints<'_>) -> Vec<u8> {
    let mut attribute = Vec::new();
    put_bytes(&mut attribute, schema::ATTRIBUTE_NAME, name.as_bytes());
    let value_type = match value {
        Ints::One(value) => {
            put_number(&mut attribute, schema::ATTRIBUTE_I, value);
            schema::TYPE_INT
        }
        Ints::List(values) => {
            for value in values {
                put_number(&mut attribute, schema::ATTRIBUTE_INTS, *value);
            }
            schema::TYPE_INTS
        }
    };
    put_number(&mut attribute, schema::ATTRIBUTE_TYPE, value_type);
    attribute
}

#[cfg(test)]
mod tests {
    use super::super::input;
    use super::*;

    #[test]
    fn products_read_one_row() {
        let (name, sides) = input(&matrix_products(4, 2)).unwrap();
        assert_eq!(
            (name.as_str(), sides),
            ("x", vec![Some(1), Some(1), Some(1), Some(4)])
        );
    }
}
