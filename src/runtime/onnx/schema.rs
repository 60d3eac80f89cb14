//! The numbers of `onnx.proto3` that facebench reads or writes: fields as `MESSAGE_FIELD`, and the values of two lists.

// ModelProto
pub(super) const MODEL_IR_VERSION: u64 = 1;
pub(super) const MODEL_GRAPH: u64 = 7;
pub(super) const MODEL_OPSET_IMPORT: u64 = 8;
pub(super) const MODEL_FUNCTIONS: u64 = 25;

// FunctionProto
pub(super) const FUNCTION_NODE: u64 = 7;

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
/// Constants that are mostly zeros.
pub(super) const GRAPH_SPARSE_INITIALIZER: u64 = 15;

// SparseTensorProto
pub(super) const SPARSE_VALUES: u64 = 1;
pub(super) const SPARSE_INDICES: u64 = 2;

// NodeProto
pub(super) const NODE_INPUT: u64 = 1;
pub(super) const NODE_OUTPUT: u64 = 2;
pub(super) const NODE_NAME: u64 = 3;
pub(super) const NODE_OP_TYPE: u64 = 4;
pub(super) const NODE_ATTRIBUTE: u64 = 5;

// AttributeProto
pub(super) const ATTRIBUTE_NAME: u64 = 1;
pub(super) const ATTRIBUTE_F: u64 = 2;
pub(super) const ATTRIBUTE_I: u64 = 3;
pub(super) const ATTRIBUTE_T: u64 = 5;
pub(super) const ATTRIBUTE_G: u64 = 6;
pub(super) const ATTRIBUTE_FLOATS: u64 = 7;
pub(super) const ATTRIBUTE_INTS: u64 = 8;
pub(super) const ATTRIBUTE_TENSORS: u64 = 10;
pub(super) const ATTRIBUTE_GRAPHS: u64 = 11;
pub(super) const ATTRIBUTE_TYPE: u64 = 20;
pub(super) const ATTRIBUTE_SPARSE_TENSOR: u64 = 22;
pub(super) const ATTRIBUTE_SPARSE_TENSORS: u64 = 23;

// AttributeProto.AttributeType
pub(super) const TYPE_INT: u64 = 2;
pub(super) const TYPE_INTS: u64 = 7;

// TensorProto
pub(super) const TENSOR_DIMS: u64 = 1;
pub(super) const TENSOR_DATA_TYPE: u64 = 2;
pub(super) const TENSOR_FLOAT_DATA: u64 = 4;
pub(super) const TENSOR_INT32_DATA: u64 = 5;
pub(super) const TENSOR_INT64_DATA: u64 = 7;
pub(super) const TENSOR_NAME: u64 = 8;
pub(super) const TENSOR_RAW_DATA: u64 = 9;
pub(super) const TENSOR_DOUBLE_DATA: u64 = 10;
/// Where the numbers lie in another file: entries of key and value.
pub(super) const TENSOR_EXTERNAL_DATA: u64 = 13;
pub(super) const TENSOR_DATA_LOCATION: u64 = 14;

// TensorProto.DataLocation
pub(super) const EXTERNAL: u64 = 1;

// StringStringEntryProto
pub(super) const ENTRY_KEY: u64 = 1;
pub(super) const ENTRY_VALUE: u64 = 2;

// TensorProto.DataType
pub(super) const FLOAT: u64 = 1;
pub(super) const UINT8: u64 = 2;
pub(super) const INT8: u64 = 3;
pub(super) const INT32: u64 = 6;
pub(super) const INT64: u64 = 7;
pub(super) const FLOAT16: u64 = 10;
pub(super) const DOUBLE: u64 = 11;

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
