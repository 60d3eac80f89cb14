//! Makes axes of a network's input dynamic in its ONNX file, where the file fixes them: networks of convolutions run on
//! any canvas and on several pictures at a time, whatever they were exported for.

use std::collections::HashSet;

use super::{
    graph::{GraphError, all, edited, last, with_shape_edited},
    schema,
    wire::{Field, Fields, Value, put_bytes},
};

/// Which axes of the input become dynamic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DynamicAxis {
    /// The first.
    Batch,
    /// The last two.
    Canvas,
}

/// The bytes of `model` with this axis of its input dynamic, with all axes of its outputs dynamic but the last, and without
/// the shapes in between.
pub fn with_dynamic_axis(axis: DynamicAxis, model: &[u8]) -> Result<Vec<u8>, GraphError> {
    edited(model, schema::MODEL_GRAPH, &|graph: &[u8]| {
        if axis == DynamicAxis::Batch && !reshapes_freely(graph)? {
            return Err(GraphError::Batch);
        }
        let graph = of_values(graph, schema::GRAPH_INPUT, &|place, count| match axis {
            DynamicAxis::Batch => place == 0,
            DynamicAxis::Canvas => place + 2 >= count,
        })?;
        let graph = of_values(&graph, schema::GRAPH_OUTPUT, &|place, count| place + 1 < count)?;
        without(&graph, schema::GRAPH_VALUE_INFO)
    })
}

/// Whether every Reshape to a constant shape leaves one dimension to be inferred (-1): the rows of all pictures then
/// follow each other, where a shape for one picture would fail.
fn reshapes_freely(graph: &[u8]) -> Result<bool, GraphError> {
    let mut shapes = HashSet::new();
    for node in all(graph, schema::GRAPH_NODE)? {
        if last(node, schema::NODE_OP_TYPE)? == Some(b"Reshape") {
            shapes.extend(all(node, schema::NODE_INPUT)?.into_iter().nth(1));
        }
    }
    for tensor in all(graph, schema::GRAPH_INITIALIZER)? {
        let raw = last(tensor, schema::TENSOR_RAW_DATA)?.unwrap_or_default();
        let (dimensions, rest) = raw.as_chunks::<8>();
        let inferred = dimensions
            .iter()
            .any(|dimension| i64::from_le_bytes(*dimension) == -1);
        // Dimensions that are written in another way are not looked for: they count as fixed.
        if !(inferred && rest.is_empty()) {
            let name = last(tensor, schema::TENSOR_NAME)?.unwrap_or_default();
            if shapes.contains(name) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// `graph` with the axes dynamic that `is_dynamic` names by their place among so many, in every value under `number`.
fn of_values(
    graph: &[u8],
    number: u64,
    is_dynamic: &dyn Fn(usize, usize) -> bool,
) -> Result<Vec<u8>, GraphError> {
    let of_shape = |shape: &[u8]| {
        let count = Fields(shape).count();
        let mut written = Vec::with_capacity(shape.len());
        for (place, dimension) in Fields(shape).enumerate() {
            let dimension = dimension?;
            if is_dynamic(place, count) {
                let mut name = Vec::new();
                put_bytes(
                    &mut name,
                    schema::DIMENSION_NAME,
                    format!("open_{number}_{place}").as_bytes(),
                );
                put_bytes(&mut written, schema::SHAPE_DIMENSION, &name);
            } else {
                written.extend(dimension.whole);
            }
        }
        Ok(written)
    };
    let of_value = |value: &[u8]| with_shape_edited(value, &of_shape);
    edited(graph, number, &of_value)
}

fn without(message: &[u8], number: u64) -> Result<Vec<u8>, GraphError> {
    let mut written = Vec::with_capacity(message.len());
    for field in Fields(message) {
        match field? {
            Field {
                number: its,
                value: Value::Bytes(_),
                ..
            } if its == number => {}
            field => written.extend(field.whole),
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            builtin::{constant, node, one_node},
            input,
            schema::FLOAT,
        },
        *,
    };

    #[test]
    fn the_shape_of_one_picture_keeps_the_batch() {
        let reshaping = |sides: [i64; 3]| {
            let raw: Vec<u8> = sides.iter().flat_map(|side| side.to_le_bytes()).collect();
            let reshape = node("Reshape", &["x", "s"], "y", &[]);
            one_node(
                &reshape,
                [1, 3, 8, 8],
                FLOAT,
                Some(&constant("s", &[3], &raw)),
                None,
            )
        };
        let opened = with_dynamic_axis(DynamicAxis::Batch, &reshaping([1, -1, 1])).unwrap();
        assert_eq!(input(&opened).unwrap().1[0], None);
        let fixed = reshaping([1, 192, 1]);
        assert_eq!(
            with_dynamic_axis(DynamicAxis::Batch, &fixed),
            Err(GraphError::Batch)
        );
        assert!(with_dynamic_axis(DynamicAxis::Canvas, &fixed).is_ok());
    }

    #[test]
    fn axes_are_dynamic_afterwards() {
        let model = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/models/facebench-det.onnx")).unwrap();
        let (name, sides) = input(&model).unwrap();
        let opened = with_dynamic_axis(DynamicAxis::Canvas, &model).unwrap();
        let (same, open) = input(&opened).unwrap();
        assert_eq!(
            (same.as_str(), open),
            (name.as_str(), vec![sides[0], sides[1], None, None])
        );
        assert!(
            with_dynamic_axis(DynamicAxis::Canvas, &opened).unwrap() == opened,
            "there is nothing left to open"
        );
        assert!(with_dynamic_axis(DynamicAxis::Canvas, &model[..100]).is_err());
        let (_, open) = input(&with_dynamic_axis(DynamicAxis::Batch, &model).unwrap()).unwrap();
        assert_eq!(open, vec![None, sides[1], sides[2], sides[3]]);
    }
}
