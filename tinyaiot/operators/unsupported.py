"""What to do about operators that cannot be deployed; operators named in capitals can be."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_ACTIVATION = "train with RELU, LEAKY_RELU or HARD_SWISH in its place"
_RECURRENT = (
    "models that keep state are not supported: train convolutions over a window of time "
    "(CONV_2D), and pass the whole window as the input"
)
_DYNAMIC = "it comes of a shape that is not fixed: convert with a fixed input shape, batch 1"
_DILATED = (
    "it comes of a dilated convolution that the converter did not fold: convert with a fixed "
    "input shape, batch 1"
)
_LAYER_NORM = (
    "where it comes of layer normalization, train with batch normalization, which is folded "
    "into CONV_2D"
)
_RAW = "end the model before it, and compute it from the model's output in your program"
_LOOKUP = "look the values up in your program, and pass them as the input"
_BROADCAST = "leave it out: ADD, SUB, MUL, MAXIMUM and MINIMUM broadcast by themselves"

REMEDIES: Mapping[str, str] = MappingProxyType(
    {
        "ADD_N": "add two at a time (ADD)",
        "ARG_MAX": _RAW,
        "ARG_MIN": _RAW,
        "BATCH_MATMUL": "with constant weights, make it a dense layer (FULLY_CONNECTED)",
        "BATCH_TO_SPACE_ND": _DILATED,
        "BIDIRECTIONAL_SEQUENCE_LSTM": _RECURRENT,
        "BIDIRECTIONAL_SEQUENCE_RNN": _RECURRENT,
        "BROADCAST_ARGS": _DYNAMIC,
        "BROADCAST_TO": _BROADCAST,
        "DEPTH_TO_SPACE": "enlarge by repeating pixels (RESIZE_NEAREST_NEIGHBOR), then CONV_2D",
        "DIV": "where the divisor is constant, multiply by its inverse (MUL)",
        "ELU": _ACTIVATION,
        "EMBEDDING_LOOKUP": _LOOKUP,
        "FAKE_QUANT": "the model was trained for quantization, but not converted to int8 yet",
        "FILL": _DYNAMIC,
        "GATHER": _LOOKUP,
        "GELU": _ACTIVATION,
        "L2_NORMALIZATION": _RAW,
        "LOG_SOFTMAX": "end the model in SOFTMAX, or before it",
        "LSTM": _RECURRENT,
        "MIRROR_PAD": "pad with zeros (PAD), or leave it to the convolution",
        "NEG": "subtract from zero (SUB)",
        "NON_MAX_SUPPRESSION_V4": _RAW,
        "NON_MAX_SUPPRESSION_V5": _RAW,
        "PACK": "add the new axis to each (EXPAND_DIMS), then join them (CONCATENATION)",
        "RANGE": _DYNAMIC,
        "REDUCE_MAX": "for all pixels' largest, pool with a window of their size (MAX_POOL_2D)",
        "RELU_0_TO_1": _ACTIVATION,
        "RELU_N1_TO_1": _ACTIVATION,
        "RESIZE_BILINEAR": "enlarge by repeating pixels (RESIZE_NEAREST_NEIGHBOR)",
        "RNN": _RECURRENT,
        "RSQRT": _LAYER_NORM,
        "SHAPE": _DYNAMIC,
        "SLICE": "cut by indexing, as x[:, 1:5], which converts to STRIDED_SLICE",
        "SPACE_TO_BATCH_ND": _DILATED,
        "SPACE_TO_DEPTH": "halve the picture by a convolution of stride 2 (CONV_2D)",
        "SPLIT_V": "cut into equal parts (SPLIT), or by indexing (STRIDED_SLICE)",
        "SQUARE": "multiply by itself (MUL)",
        "SQUARED_DIFFERENCE": _LAYER_NORM,
        "SVDF": _RECURRENT,
        "TILE": _BROADCAST,
        "TOPK_V2": _RAW,
        "TRANSPOSE_CONV": "enlarge by repeating pixels (RESIZE_NEAREST_NEIGHBOR), then CONV_2D",
        "UNIDIRECTIONAL_SEQUENCE_LSTM": _RECURRENT,
        "UNIDIRECTIONAL_SEQUENCE_RNN": _RECURRENT,
        "UNPACK": "cut into parts by indexing (STRIDED_SLICE)",
    }
)
