//! Opens the height and width of a network's input in its ONNX file, where the file fixes them: networks of convolutions
//! run on any canvas, whatever they were exported for.

use super::{
    GraphError,
    wire::{Field, Fields, Value, put_bytes, rewritten},
};

/// The bytes of `model` with the last two sides of its input open, with the rows of its outputs open (the last side
/// stays), and without the shapes in between.
///
/// The field numbers are those of `ModelProto.graph`, `GraphProto.input`, `.output` and `.value_info`,
/// `ValueInfoProto.type`, `TypeProto.tensor_type`, its `shape`, and a `Dimension`'s name.
pub fn with_open_canvas(model: &[u8]) -> Result<Vec<u8>, GraphError> {
    rewritten(model, 7, &|graph: &[u8]| {
        let graph = of_values(graph, 11, &|place, count| place + 2 >= count)?;
        let graph = of_values(&graph, 12, &|place, count| place + 1 < count)?;
        without(&graph, 13)
    })
}

/// `graph` with the sides open that `opens` names by their place among so many, in every value under `number`.
fn of_values(graph: &[u8], number: u64, opens: &dyn Fn(usize, usize) -> bool) -> Result<Vec<u8>, GraphError> {
    let of_shape = |shape: &[u8]| {
        let count = Fields(shape).count();
        let mut written = Vec::with_capacity(shape.len());
        for (place, side) in Fields(shape).enumerate() {
            let side = side.map_err(GraphError::from)?;
            if opens(place, count) {
                let mut name = Vec::new();
                put_bytes(&mut name, 2, format!("open_{number}_{place}").as_bytes());
                put_bytes(&mut written, 1, &name);
            } else {
                written.extend(side.whole);
            }
        }
        Ok(written)
    };
    let of_tensor = |tensor: &[u8]| rewritten(tensor, 2, &of_shape);
    let of_type = |kind: &[u8]| rewritten(kind, 1, &of_tensor);
    let of_value = |value: &[u8]| rewritten(value, 2, &of_type);
    rewritten(graph, number, &of_value)
}

fn without(message: &[u8], number: u64) -> Result<Vec<u8>, GraphError> {
    let mut written = Vec::with_capacity(message.len());
    for field in Fields(message) {
        match field.map_err(GraphError::from)? {
            Field {
                number: found,
                value: Value::Bytes(_),
                ..
            } if found == number => {}
            field => written.extend(field.whole),
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::super::input;
    use super::*;

    #[test]
    fn height_and_width_are_open_afterwards() {
        let model = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/models/facebench-det.onnx")).unwrap();
        let (name, sides) = input(&model).unwrap();
        let opened = with_open_canvas(&model).unwrap();
        let (same, open) = input(&opened).unwrap();
        assert_eq!((same, open), (name, vec![sides[0], sides[1], None, None]));
        assert!(
            with_open_canvas(&opened).unwrap() == opened,
            "there is nothing left to open"
        );
        assert!(with_open_canvas(&model[..100]).is_err());
    }
}
