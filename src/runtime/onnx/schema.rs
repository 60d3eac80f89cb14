//! The numbers of `onnx.proto3` that facebench reads or writes: fields as `MESSAGE_FIELD`, and the values of two lists.

// ModelProto
pub(super) const MODEL_IR_VERSION: u64 = 1;
pub(super) const MODEL_GRAPH: u64 = 7;
pub(super) const MODEL_OPSET_IMPORT: u64 = 8;

// OperatorSetIdProto
pub(super) const OPSET_VERSION: u64 = 2;

// GraphProto
pub(super) const GRAPH_NODE: u64 = 1;
/// Constants, each a tensor.
pub(super) const GRAPH_INITIALIZER: u64 = 5;
pub(super) const GRAPH_INPUT: u64 = 11;
pub(super) const GRAPH_OUTPUT: u64 = 12;
/// Shapes of what lies between inputs and outputs.
pub(super) const GRAPH_VALUE_INFO: u64 = 13;

// NodeProto
pub(super) const NODE_INPUT: u64 = 1;
pub(super) const NODE_OUTPUT: u64 = 2;
pub(super) const NODE_NAME: u64 = 3;
pub(super) const NODE_OP_TYPE: u64 = 4;
pub(super) const NODE_ATTRIBUTE: u64 = 5;

// AttributeProto
pub(super) const ATTRIBUTE_NAME: u64 = 1;
pub(super) const ATTRIBUTE_I: u64 = 3;
pub(super) const ATTRIBUTE_INTS: u64 = 8;
pub(super) const ATTRIBUTE_TYPE: u64 = 20;

// AttributeProto.AttributeType
pub(super) const TYPE_INT: u64 = 2;
pub(super) const TYPE_INTS: u64 = 7;

// TensorProto
pub(super) const TENSOR_DIMS: u64 = 1;
pub(super) const TENSOR_DATA_TYPE: u64 = 2;
pub(super) const TENSOR_NAME: u64 = 8;
pub(super) const TENSOR_RAW_DATA: u64 = 9;

// TensorProto.DataType
pub(super) const FLOAT: u64 = 1;
pub(super) const UINT8: u64 = 2;
pub(super) const INT8: u64 = 3;
pub(super) const FLOAT16: u64 = 10;

// ValueInfoProto: what a graph declares of an input or output.
pub(super) const VALUE_NAME: u64 = 1;
pub(super) const VALUE_TYPE: u64 = 2;

// TypeProto
pub(super) const TYPE_TENSOR: u64 = 1;

// TypeProto.Tensor
pub(super) const TENSOR_TYPE_ELEMENT: u64 = 1;
pub(super) const TENSOR_TYPE_SHAPE: u64 = 2;

// TensorShapeProto
pub(super) const SHAPE_DIMENSION: u64 = 1;

// TensorShapeProto.Dimension: a dimension has a length, or a name, or nothing.
pub(super) const DIMENSION_LENGTH: u64 = 1;
pub(super) const DIMENSION_NAME: u64 = 2;
