//! What most weights of a network are, which says in which precision it was converted.

use super::{
    external::place,
    graph::{GraphError, all, graph_of, last_number},
    schema,
};

/// Whether most weights of the network are 16-bit floats.
pub fn is_half(model: &[u8]) -> Result<bool, GraphError> {
    is_mostly(model, &[schema::FLOAT16])
}

/// Whether most weights of the network are 8-bit integers.
pub fn is_quantized(model: &[u8]) -> Result<bool, GraphError> {
    is_mostly(model, &[schema::UINT8, schema::INT8])
}

/// A tensor in another file counts for no more, so that no sum runs over.
const MOST_ELSEWHERE: u64 = 1 << 40;

/// Whether most bytes of the network's weights are of these types of `TensorProto`.
fn is_mostly(model: &[u8], types: &[u64]) -> Result<bool, GraphError> {
    let (mut such, mut all_bytes) = (0u64, 0u64);
    for tensor in all(graph_of(model)?, schema::GRAPH_INITIALIZER)? {
        let elsewhere = place(tensor)?.and_then(Result::ok).and_then(|place| place.length);
        let bytes = tensor.len() as u64 + elsewhere.unwrap_or(0).min(MOST_ELSEWHERE);
        all_bytes += bytes;
        let data_type = last_number(tensor, schema::TENSOR_DATA_TYPE)?;
        if data_type.is_some_and(|data_type| types.contains(&data_type)) {
            such += bytes;
        }
    }
    Ok(such * 2 > all_bytes)
}
