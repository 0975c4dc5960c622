"""Trained Keras models: ``.keras``, ``.h5``, or a ``keras.Model``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinyaiot.errors import UnreadableModelError, UnsupportedModelError
from tinyaiot.quantization.equalization import equalize
from tinyaiot.quantization.originals.converter import convert
from tinyaiot.quantization.originals.original import Floats, Original
from tinyaiot.quantization.runtime import first_line, require_tensorflow, silence

SUFFIXES = (".keras", ".h5")


class KerasOriginal(Original):
    """A ``keras.Model``, or what was built again as one."""

    has_layers = True

    def __init__(
        self,
        model: Any,
        kind: str = "a Keras model",
        original_shape: tuple[int, ...] | None = None,
    ) -> None:
        """Takes the model, the source it was built from, and the shape of a sample there.

        Raises:
            UnsupportedModelError: it has not one input, or one of no fixed shape.
        """
        if len(model.inputs) != 1:
            raise UnsupportedModelError(
                f"the model has {len(model.inputs)} inputs", "give a model of one input"
            )
        shape = tuple(model.inputs[0].shape[1:])
        if None in shape:
            raise UnsupportedModelError(
                f"the model's input has no fixed shape: {shape}", "build it with keras.Input(shape)"
            )
        self.kind = kind
        self.input_shape = shape
        self.original_shape = shape if original_shape is None else original_shape
        self._model = model
        # Wrapped once, so that tensors have the same names in both files.
        keras = require_tensorflow().keras
        with silence():
            inputs = keras.Input(batch_shape=(1, *shape))
            self._batch_of_one = keras.Model(inputs, model(inputs, training=False))

    def float_tflite(self) -> bytes:
        return convert(self._converter(), None)

    def int8_tflite(self, inputs: Floats) -> bytes:
        return convert(self._converter(), inputs)

    def equalized(self, inputs: Floats) -> tuple[Original, int]:
        copy = require_tensorflow().keras.models.clone_model(self._model)
        copy.set_weights(self._model.get_weights())
        count = equalize(copy, inputs)
        return KerasOriginal(copy, self.kind, self.original_shape), count

    def _converter(self) -> Any:
        return require_tensorflow().lite.TFLiteConverter.from_keras_model(self._batch_of_one)


def load(path: Path) -> KerasOriginal:
    """The model in a ``.keras`` or ``.h5`` file.

    Raises:
        UsageError: TensorFlow is not installed.
        UnreadableModelError: it is no such model.
        UnsupportedModelError: it has not one input of fixed shape.
    """
    keras = require_tensorflow().keras
    try:
        with silence():
            model = keras.models.load_model(path, compile=False)
    except Exception as error:  # Keras raises what its parts happen to raise.
        raise UnreadableModelError(
            f"Keras cannot read {path}: {first_line(error)}",
            "check that it was saved by model.save",
        ) from error
    return KerasOriginal(model)
