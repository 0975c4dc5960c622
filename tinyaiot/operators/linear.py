"""What CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED share: filters, biases, requantization.

acc[c] = bias[c] + Σ filter[c, t] · (x[t] − input zero point)
out[c] = clamp(output zero point + requantize(acc[c]))
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tinyaiot import requant
from tinyaiot.csource import Array, Ref, Role, Value
from tinyaiot.fixed_point import INT32_MAX, IntArray, Multiplier, requantize
from tinyaiot.graph import DType, Node
from tinyaiot.operators.base import AnyArray, Kernel
from tinyaiot.operators.common import clamp_range
from tinyaiot.requant import PackedRequant

CLAMP_SOURCE = "linear/ta_clamp_outputs_s8.c"

# Shifts under which a bias of 8 bits and sign, times the multiplier's inverse, is an int32.
_EXACT_SHIFTS = (-21, 0)


@dataclass(frozen=True, eq=False)
class Linear:
    """The arithmetic of a node.

    Attributes:
        filters: int8 [channels, taps], the taps in the weights' order.
        bias: int64 [channels], in int32's range.
        multipliers: one a channel, or one for all.
        lowest, highest: what the fused activation leaves.
    """

    filters: npt.NDArray[np.int8]
    bias: IntArray
    in_zero_point: int
    multipliers: tuple[Multiplier, ...]
    out_zero_point: int
    lowest: int
    highest: int

    @staticmethod
    def of(node: Node) -> Linear:
        """The arithmetic of a node that keeps the rules below."""
        weights, output = node.input(1), node.output
        if weights.data is None:
            raise ValueError(f"weights {weights.name!r} are not constant")
        filters = np.moveaxis(weights.data, _channel_axis(node), 0)
        filters = filters.reshape(filters.shape[0], -1)
        bias = node.optional(2)
        lowest, highest = clamp_range(node.attributes.activation, output)
        return Linear(
            filters=filters,
            bias=_zeros_or(bias.data if bias else None, len(filters)),
            in_zero_point=node.input(0).zero_point,
            multipliers=tuple(Multiplier.of(real) for real in _real_multipliers(node)),
            out_zero_point=output.zero_point,
            lowest=lowest,
            highest=highest,
        )

    @property
    def accumulator_range(self) -> tuple[IntArray, IntArray]:
        """Lowest and highest accumulator of each channel, also half-way through its sum."""
        wide = self.filters.astype(np.int64)
        at_low = wide * (-128 - self.in_zero_point)
        at_high = wide * (127 - self.in_zero_point)
        return (
            self.bias + np.minimum(at_low, at_high).sum(axis=1),
            self.bias + np.maximum(at_low, at_high).sum(axis=1),
        )

    @property
    def folded_bias(self) -> IntArray:
        """The constant part of the sum, bias[c] − input zero point · Σ filter[c, t]."""
        sums: IntArray = self.filters.astype(np.int64).sum(axis=1)
        folded: IntArray = self.bias - self.in_zero_point * sums
        return folded

    def outputs(self, sums: IntArray) -> npt.NDArray[np.int8]:
        """int8 outputs from [..., channels] sums of filters and inputs, without the bias."""
        mantissas = np.array([m.mantissa for m in self.multipliers])
        shifts = np.array([m.shift for m in self.multipliers])
        scaled = requantize(sums + self.bias, mantissas, shifts)
        clamped: IntArray = np.clip(scaled + self.out_zero_point, self.lowest, self.highest)
        return clamped.astype(np.int8)

    def fits(self) -> bool:
        """Whether int32 holds all accumulators, shifted left and with their zero point added."""
        low, high = self.accumulator_range
        left = np.array([max(m.shift, 0) for m in self.multipliers])
        reach = np.maximum(-low, high)
        return bool(np.all(left <= 30)) and bool(np.all(reach << left <= INT32_MAX - 256))

    def settled(self) -> Linear:
        """The same outputs, with channels that do not depend on the input made uniform.

        Training leaves dead channels, whose multipliers and biases are extreme. They get
        filters of zeros, the layer's smallest shift and the bias that gives their output.
        """
        if len(self.multipliers) == 1:
            return self
        low, high = self.accumulator_range
        ends = [self._settled_outputs(end) for end in (low, high)]
        dead = ends[0] == ends[1]
        shift = max(
            (m.shift for m, d in zip(self.multipliers, dead, strict=True) if not d), default=0
        )
        if not dead.any() or not _EXACT_SHIFTS[0] <= shift <= _EXACT_SHIFTS[1]:
            return self
        # The multiplier is a half, shifted: it undoes this exactly.
        bias = (ends[0].astype(np.int64) - self.out_zero_point) << (1 - shift)
        uniform = Multiplier(1 << 30, shift)
        return replace(
            self,
            filters=np.where(dead[:, np.newaxis], np.int8(0), self.filters),
            bias=np.where(dead, bias, self.bias),
            multipliers=tuple(
                uniform if d else m for m, d in zip(self.multipliers, dead, strict=True)
            ),
        )

    def _settled_outputs(self, accumulators: IntArray) -> npt.NDArray[np.int8]:
        return self.outputs(accumulators - self.bias)


@dataclass(frozen=True, eq=False)
class Constants:
    """The constants of a node as a kernel reads them.

    Attributes:
        bias: int32 [channels], or [channels, 2] with the slope of a floor behind each; None where
            it lies among the weights.
        requant: None where it lies among the weights.
        floors: whether biases and words are those of floors.
    """

    weights: AnyArray
    bias: npt.NDArray[np.int32] | None = None
    requant: PackedRequant | None = None
    floors: bool = False


@dataclass(frozen=True)
class LinearKernel(Kernel):
    """A kernel with a layout of constants of its own.

    Attributes:
        layout: makes them; by default weights as their tensor has them, biases with the input's
            zero point folded in, and packed multipliers.
        stretch: output pixels that a convolution's kernel takes at a time.
        row_pairs: the function that makes a convolution's rows in pairs, where the node lets it;
            the output lies whole, and nowhere where input is.
        pays_by_rows: whether a convolution's kernel is worth its constants where rows are made one
            by one.
        pads_by_value: whether it reads no more than one zero point of all padding.
    """

    layout: Callable[[Node], Constants] = lambda node: as_stored(node)
    stretch: Callable[[Node], int] = lambda node: 1
    row_pairs: Callable[[Node], str | None] = lambda node: None
    pays_by_rows: Callable[[Node], bool] = lambda node: True
    pads_by_value: bool = False


@functools.lru_cache(maxsize=512)
def settled_linear(node: Node) -> Linear:
    """The arithmetic that kernels do for the node."""
    return Linear.of(node).settled()


def as_stored(node: Node) -> Constants:
    """Weights in their tensor's own order."""
    linear = settled_linear(node)
    return Constants(
        weights=_as_weights(linear.filters, node),
        bias=linear.folded_bias.astype(np.int32),
        requant=requant.pack(linear.multipliers),
    )


@dataclass(frozen=True, eq=False)
class LoweredLinear:
    """The C of a :class:`Linear`: arrays in flash and the fields that name them."""

    arrays: tuple[Array, ...]
    fields: Mapping[str, Value]


def lower_linear(node: Node, prefix: str, kernel: Kernel) -> LoweredLinear:
    """Fields ``weights``, ``bias`` and ``requant``, as ``kernel`` reads them."""
    constants = kernel.layout(node) if isinstance(kernel, LinearKernel) else as_stored(node)
    linear, packed = settled_linear(node), constants.requant
    inlaid = _inlaid(linear, constants)
    arrays = [Array(f"{prefix}_weights", constants.weights, Role.WEIGHTS, inlaid=inlaid)]
    bias = words = right_shifts = Ref("NULL")
    if constants.bias is not None:
        slopes = {Role.REQUANT: constants.bias.nbytes - 4 * len(linear.filters)}
        array = Array(f"{prefix}_bias", constants.bias, Role.BIAS, inlaid=slopes)
        bias = _refer(arrays, array)
    if packed is not None:
        words = _refer(arrays, Array(f"{prefix}_requant", packed.words, Role.REQUANT))
    if packed is not None and packed.right_shifts is not None:
        array = Array(f"{prefix}_shifts", packed.right_shifts, Role.REQUANT)
        right_shifts = _refer(arrays, array)
    return LoweredLinear(
        arrays=tuple(arrays),
        fields={
            "weights": _as_bytes(arrays[0]),
            "bias": bias,
            "requant": {
                "words": words,
                "right_shifts": right_shifts,
                "per_channel": int(packed is not None and len(packed.words) > 1),
                "floors": int(constants.floors),
                "right_shift": 0 if packed is None else packed.right_shift,
                "zero_point": linear.out_zero_point,
                "lowest": linear.lowest,
                "highest": linear.highest,
            },
        },
    )


def _inlaid(linear: Linear, constants: Constants) -> dict[Role, int]:
    """What the array of weights holds beside the model's own: padding counts with the scales."""
    bias_bytes = 4 * len(linear.filters) if constants.bias is None else 0
    rest = constants.weights.nbytes - linear.filters.nbytes - bias_bytes
    return {Role.BIAS: bias_bytes, Role.REQUANT: rest}


def _refer(arrays: list[Array], array: Array) -> Ref:
    arrays.append(array)
    return Ref(array.name)


def _as_bytes(array: Array) -> Ref:
    return Ref(array.name if array.data.dtype == np.int8 else f"(const int8_t *){array.name}")


def weights_are_constant_int8(node: Node) -> bool:
    """The weights are constant int8 with zero point 0 and one scale, or one an output channel."""
    weights = node.optional(1)
    if weights is None or weights.data is None or weights.quantization is None:
        return False
    axis = _channel_axis(node)
    return (
        weights.dtype is DType.INT8
        and len(weights.shape) > axis
        and len(weights.quantization.scales) in (1, weights.shape[axis])
        and set(weights.quantization.zero_points) <= {0}
    )


def bias_is_constant_int32(node: Node) -> bool:
    """The bias, where there is one, is constant int32, one value an output channel."""
    bias = node.optional(2)
    return bias is None or (
        bias.data is not None and bias.dtype is DType.INT32 and bias.size == node.output.channels
    )


def accumulators_fit_int32(node: Node) -> bool:
    """No accumulator can leave 32 bits, whatever the input: weights, bias and scales bound it."""
    if not (weights_are_constant_int8(node) and bias_is_constant_int32(node)):
        return True
    return Linear.of(node).fits()


def _channel_axis(node: Node) -> int:
    """The axis of the weights that runs over the output's channels."""
    return 3 if node.op == "DEPTHWISE_CONV_2D" else 0


def _real_multipliers(node: Node) -> list[float]:
    """Input scale · weight scale / output scale of each channel, or of all.

    TFLite computes in double, but where FULLY_CONNECTED has one scale its product is float32
    (GetQuantizedConvolutionMultipler).
    """
    source, weights, output = node.input(0), node.input(1), node.output
    if weights.quantization is None:
        raise ValueError(f"weights {weights.name!r} are not quantized")
    if node.op == "FULLY_CONNECTED" and not weights.quantization.per_channel:
        product = np.float32(source.scale) * np.float32(weights.scale)
        return [float(product) / output.scale]
    return [source.scale * scale / output.scale for scale in weights.quantization.scales]


def _zeros_or(bias: AnyArray | None, channels: int) -> IntArray:
    return np.zeros(channels, np.int64) if bias is None else bias.reshape(-1).astype(np.int64)


def _as_weights(filters: npt.NDArray[np.int8], node: Node) -> npt.NDArray[np.int8]:
    shape = list(node.input(1).shape)
    axis = _channel_axis(node)
    shape.insert(0, shape.pop(axis))
    return np.ascontiguousarray(np.moveaxis(filters.reshape(shape), 0, axis))
