//! Networks that facebench writes itself: the smallest one, to try a provider with, and one that only multiplies
//! matrices, to keep a device busy.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::wire::{put_bytes, put_number};

/// `TensorProto.FLOAT`.
pub(super) const FLOAT: u64 = 1;

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
    let mut luck = ChaCha8Rng::seed_from_u64(1);
    let scale = (3.0 / side as f32).sqrt();
    let numbers: Vec<u8> = (0..side * side)
        .flat_map(|_| (luck.random_range(-1.0..1.0_f32) * scale).to_le_bytes())
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
        attribute("axes", 7, &[0, 1, 2, 3]),
        attribute("keepdims", 2, &[1]),
    ];
    nodes.push(node("ReduceMax", &[&last], "y", &largest));
    let mut graph = Vec::new();
    for node in nodes {
        put_bytes(&mut graph, 1, &node);
    }
    put_bytes(&mut graph, 5, &constant("w", &sides, &numbers));
    put_bytes(&mut graph, 11, &info("x", [1, 1, 1, side as u64], FLOAT));
    put_bytes(&mut graph, 12, &info("y", [1; 4], FLOAT));
    model(&graph)
}

/// A network of one node from `x` to `y`, both of these sides (0 for an open one), with a constant. Old files list their
/// constants among the inputs: `listed` is the name of one.
pub(super) fn one_node(
    node: &[u8],
    sides: [u64; 4],
    kind: u64,
    constant: Option<&[u8]>,
    listed: Option<&str>,
) -> Vec<u8> {
    let mut graph = Vec::new();
    put_bytes(&mut graph, 1, node);
    if let Some(constant) = constant {
        put_bytes(&mut graph, 5, constant);
    }
    if let Some(listed) = listed {
        put_bytes(&mut graph, 11, &info(listed, sides, kind));
    }
    put_bytes(&mut graph, 11, &info("x", sides, kind));
    put_bytes(&mut graph, 12, &info("y", sides, kind));
    model(&graph)
}

fn model(graph: &[u8]) -> Vec<u8> {
    let (mut opset, mut model) = (Vec::new(), Vec::new());
    put_number(&mut opset, 2, 17);
    put_number(&mut model, 1, 8);
    put_bytes(&mut model, 7, graph);
    put_bytes(&mut model, 8, &opset);
    model
}

/// What a graph declares of an input or output; a side of 0 is open.
fn info(name: &str, sides: [u64; 4], kind: u64) -> Vec<u8> {
    let mut shape = Vec::new();
    for side in sides {
        let mut dimension = Vec::new();
        if side == 0 {
            put_bytes(&mut dimension, 2, b"n");
        } else {
            put_number(&mut dimension, 1, side);
        }
        put_bytes(&mut shape, 1, &dimension);
    }
    let (mut tensor, mut outer, mut value) = (Vec::new(), Vec::new(), Vec::new());
    put_number(&mut tensor, 1, kind);
    put_bytes(&mut tensor, 2, &shape);
    put_bytes(&mut outer, 1, &tensor);
    put_bytes(&mut value, 1, name.as_bytes());
    put_bytes(&mut value, 2, &outer);
    value
}

/// A constant of floats, as bytes of the lower first.
pub(super) fn constant(name: &str, sides: &[u64], values: &[u8]) -> Vec<u8> {
    let mut tensor = Vec::new();
    for side in sides {
        put_number(&mut tensor, 1, *side);
    }
    put_number(&mut tensor, 2, FLOAT);
    put_bytes(&mut tensor, 8, name.as_bytes());
    put_bytes(&mut tensor, 9, values);
    tensor
}

/// A constant without sides.
pub(super) fn scalar(name: &str, value: f32) -> Vec<u8> {
    constant(name, &[], &value.to_le_bytes())
}

pub(super) fn node(operator: &str, inputs: &[&str], output: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut node = Vec::new();
    for input in inputs {
        put_bytes(&mut node, 1, input.as_bytes());
    }
    put_bytes(&mut node, 2, output.as_bytes());
    put_bytes(&mut node, 3, format!("{output}_node").as_bytes());
    put_bytes(&mut node, 4, operator.as_bytes());
    for attribute in attributes {
        put_bytes(&mut node, 5, attribute);
    }
    node
}

/// An attribute of type 2 (one integer) or 7 (integers).
pub(super) fn attribute(name: &str, kind: u64, values: &[u64]) -> Vec<u8> {
    let mut attribute = Vec::new();
    put_bytes(&mut attribute, 1, name.as_bytes());
    for value in values {
        put_number(&mut attribute, if kind == 2 { 3 } else { 8 }, *value);
    }
    put_number(&mut attribute, 20, kind);
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
