"""Tensors whose channels lie last, whatever order of axes their network names them in.

Networks of PyTorch and ONNX name their axes [n, channels, height, width]; a .tflite has the
channels last. Here every tensor is built with the channels last from the start, and with it goes
the order of axes that the network knows it by. A transposition changes that order and nothing in
memory, so that no TRANSPOSE is ever there that would have to be removed again; one is made only
where a network itself mixes channels and pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
Order = tuple[int, ...]


@dataclass(frozen=True)
class Value:
    """A tensor as it lies, and as its network names its axes.

    Attributes:
        tensor: of Keras, the batch first; its axis k is the network's axis ``order[k]``.
        flat_of: shape and order of what ``tensor`` [n, features] is the flat form of, where its
            features lie in another order than the network's; None elsewhere.
    """

    tensor: Any
    order: Order
    flat_of: tuple[Shape, Order] | None = None

    @property
    def shape(self) -> Shape:
        """As the network has it, for a batch of 1."""
        lengths = dict(zip(self.order, (1, *self.tensor.shape[1:]), strict=True))
        return tuple(int(lengths[axis]) for axis in range(len(lengths)))

    def axis(self, axis: int) -> int:
        """Where the network's axis, counted from the end where negative, lies."""
        return self.order.index(axis % len(self.order))

    def map(self, function: Callable[[Any], Any]) -> Value:
        """``function``, which changes neither shape nor order, of the tensor."""
        return replace(self, tensor=function(self.tensor))

    def ordered(self, order: Order) -> Value:
        """The same values in another order of axes; a transposition where it is not theirs yet."""
        value = self.unmixed()
        if value.order == order:
            return value
        axes = [value.order.index(axis) for axis in order[1:]]
        return Value(_layers().Permute(axes)(value.tensor), order)

    def natural(self) -> Value:
        """The same values in the network's own order."""
        return self.ordered(natural(len(self.order)))

    def transposed(self, axes: Sequence[int]) -> Value:
        """The network's transposition, the batch staying first; nothing moves."""
        value = self.unmixed()
        return Value(value.tensor, tuple(tuple(axes).index(axis) for axis in value.order))

    def reshaped(self, shape: Sequence[int]) -> Value:
        """The network's tensor in another shape, for a batch of 1."""
        value = self.unmixed() if tuple(shape) != self.shape else self
        order = value._order_in(shape)
        if order is not None:
            lies = [shape[axis] for axis in order]
            return Value(_reshaped(value.tensor, lies), order, value.flat_of)
        if len(shape) == 2:
            return Value(_reshaped(value.tensor, shape), natural(2), (value.shape, value.order))
        return Value(_reshaped(value.natural().tensor, shape), natural(len(shape)))

    def arranged(self, constant: Array) -> Array:
        """A constant that is broadcast against this tensor, as that lies."""
        spread = constant.reshape((1,) * (len(self.order) - constant.ndim) + constant.shape)
        if self.flat_of is not None and constant.shape[-1:] > (1,):
            return np.take(spread, self.features(), axis=-1)
        return np.transpose(spread, self.order)

    def features(self) -> npt.NDArray[np.int64]:
        """Which feature of the network's last axis each one is that lies on the last axis here."""
        every = np.arange(self.shape[-1], dtype=np.int64)
        if self.flat_of is None:
            return every
        shape, order = self.flat_of
        return np.ravel(np.transpose(every.reshape(shape), order))

    def unmixed(self) -> Value:
        """The same with features in the network's order, for which they may be transposed."""
        if self.flat_of is None:
            return self
        shape, order = self.flat_of
        whole = Value(_reshaped(self.tensor, [shape[axis] for axis in order]), order)
        return Value(_reshaped(whole.natural().tensor, self.shape), natural(2))

    def _order_in(self, shape: Sequence[int]) -> Order | None:
        """The order of axes after axes of length 1 came and went; None where others change."""
        old = [axis for axis, length in enumerate(self.shape) if length > 1]
        new = [axis for axis, length in enumerate(shape) if length > 1]
        if [self.shape[axis] for axis in old] != [shape[axis] for axis in new]:
            return None
        lie = [new[old.index(axis)] for axis in self.order if axis in old]
        usual = [natural(len(shape)), channels_last(len(shape))]
        if self.order != natural(len(self.order)):
            usual.reverse()
        for order in usual:
            if [axis for axis in order if axis in new] == lie:
                return order
        return (*(axis for axis in range(len(shape)) if axis not in new), *lie)


def natural(rank: int) -> Order:
    """Axes lie as the network names them."""
    return tuple(range(rank))


def channels_last(rank: int) -> Order:
    """[n, channels, …] lies as [n, …, channels]; two axes stay as they are."""
    return (0, *range(2, rank), 1)


def _reshaped(tensor: Any, shape: Sequence[int]) -> Any:
    if tuple(tensor.shape[1:]) == tuple(shape[1:]):
        return tensor
    return _layers().Reshape(tuple(shape[1:]))(tensor)


def _layers() -> Any:
    from tensorflow import keras

    return keras.layers
