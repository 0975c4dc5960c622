"""TensorFlow's SavedModel: a folder with ``saved_model.pb``, from whatever wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinyaiot.errors import UnreadableModelError, UnsupportedModelError
from tinyaiot.quantization.originals.converter import convert
from tinyaiot.quantization.originals.original import Floats, Original
from tinyaiot.quantization.runtime import first_line, require_tensorflow, silence

_SIGNATURE = "serving_default"


class SavedModelOriginal(Original):
    """The serving signature of a SavedModel, for a batch of 1."""

    kind = "a SavedModel"

    def __init__(self, loaded: Any) -> None:
        """Takes what ``tensorflow.saved_model.load`` returned.

        Raises:
            UnsupportedModelError: it has no signature of one input of fixed shape and floats.
        """
        tensorflow = require_tensorflow()
        signature = loaded.signatures.get(_SIGNATURE)
        if signature is None:
            raise UnsupportedModelError(
                f"the SavedModel has no signature {_SIGNATURE!r}",
                "save it with tensorflow.saved_model.save(..., signatures=...) or model.export",
            )
        inputs = signature.structured_input_signature[1]
        if len(inputs) != 1:
            raise UnsupportedModelError(
                f"the model has {len(inputs)} inputs", "give a model of one input"
            )
        [(name, spec)] = inputs.items()
        if spec.dtype != tensorflow.float32 or spec.shape.rank is None or spec.shape.rank < 2:
            raise UnsupportedModelError(
                f"the model's input is {spec.dtype.name} {spec.shape}",
                "export it with an input [batch, ...] of float32",
            )
        if None in spec.shape[1:] or spec.shape[0] not in (None, 1):
            raise UnsupportedModelError(
                f"the model's input has shape {spec.shape}",
                "export it with a batch of 1 or a free one, and all other axes fixed",
            )
        self.input_shape = self.original_shape = tuple(spec.shape[1:])
        one = tensorflow.TensorSpec((1, *self.input_shape), spec.dtype, name)
        self._loaded = loaded
        self._function = tensorflow.function(
            lambda tensor: signature(**{name: tensor})
        ).get_concrete_function(one)

    def float_tflite(self) -> bytes:
        return convert(self._converter(), None)

    def int8_tflite(self, inputs: Floats) -> bytes:
        return convert(self._converter(), inputs)

    def _converter(self) -> Any:
        lite = require_tensorflow().lite
        return lite.TFLiteConverter.from_concrete_functions([self._function], self._loaded)


def load(path: Path) -> SavedModelOriginal:
    """The model in a folder.

    Raises:
        UsageError: TensorFlow is not installed.
        UnreadableModelError: the folder is no sound SavedModel.
        UnsupportedModelError: it has not one input of fixed shape.
    """
    tensorflow = require_tensorflow()
    try:
        with silence():
            loaded = tensorflow.saved_model.load(str(path))
    except Exception as error:  # TensorFlow raises what its parts happen to raise.
        raise UnreadableModelError(
            f"TensorFlow cannot read {path}: {first_line(error)}",
            "copy the whole folder, as tensorflow.saved_model.save or model.export wrote it",
        ) from error
    return SavedModelOriginal(loaded)
