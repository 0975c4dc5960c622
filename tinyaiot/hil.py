"""Hardware in the loop: a board that is held, and models that run on it from a test.

The same on emulated and real boards. One model at a time is on a board; another one is put there
when it is used.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np

from tinyaiot import oracle, pipeline
from tinyaiot.devices.link import Device
from tinyaiot.devices.lock import held
from tinyaiot.errors import DeviceError
from tinyaiot.graph import Graph
from tinyaiot.hardware_map import Station
from tinyaiot.measure import Deployment, Measurement, Validation, measure, open_device, validate
from tinyaiot.operators.base import AnyArray
from tinyaiot.pipeline import PlanOptions
from tinyaiot.samples import as_inputs, default_inputs

T = TypeVar("T")


class BoardUnderTest:
    """A station of a bench that this process holds; a context manager that lets it go.

    Attributes:
        station: its entry in the hardware map.
        board: its board file.
    """

    def __init__(self, station: Station, wait_s: float = 0.0) -> None:
        """Holds the board.

        Args:
            wait_s: how long to wait for another process to let it go.

        Raises:
            DeviceError: another process holds it, or its script failed.
        """
        self.station = station
        self.board = station.board
        self._on_board: Deployment | None = None
        self._device: Device | None = None
        self._connection = contextlib.ExitStack()
        self._measurements: list[Measurement] = []
        with contextlib.ExitStack() as stack:
            if station.serial is not None:
                stack.enter_context(held(station.serial, wait_s))
            parameters = station.script_param
            if station.pre_script is not None:
                _run_script(
                    station.pre_script, parameters.pre_script_arg, parameters.pre_script_timeout
                )
            if station.post_script is not None:
                stack.callback(
                    _run_script,
                    station.post_script,
                    parameters.post_script_arg,
                    parameters.post_script_timeout,
                )
            stack.callback(self.disconnect)
            self._stack = stack.pop_all()

    def __enter__(self) -> BoardUnderTest:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def id(self) -> str:
        """The station's id."""
        return self.station.id

    def deploy(self, model: Path, work: Path, options: PlanOptions | None = None) -> DeployedModel:
        """Builds a model for the board; it is put there when it is used first.

        Args:
            work: folder for graph, plan and project, as ``pipeline.deploy`` writes them.

        Raises:
            UnreadableModelError, UnsupportedModelError, DoesNotFitError, BuildError.
        """
        job = pipeline.Job(model, self.board, work, self.station.serial, options or PlanOptions())
        deployment = pipeline.deploy(job, pipeline.Silent())
        return DeployedModel(self, replace(deployment, baud_rate=self.station.baud))

    def device(self, deployment: Deployment) -> Device:
        """The running board with that deployment's model; DeviceError where that fails."""
        if self._device is None or self._on_board is not deployment:
            self.disconnect()
            self._device = self._connection.enter_context(open_device(deployment))
            self._on_board = deployment
        return self._device

    def note(self, measurement: Measurement) -> None:
        """Keeps a measurement for who reports on the board."""
        self._measurements.append(measurement)

    def take_measurements(self) -> list[Measurement]:
        """The measurements since the last call."""
        taken, self._measurements = self._measurements, []
        return taken

    def disconnect(self) -> None:
        """Ends the connection, and an emulated board; the next use makes another."""
        self._device = self._on_board = None
        self._connection.close()


class DeployedModel:
    """A model on a board, built once, for any number of inferences.

    Attributes:
        board: that it runs on.
        deployment: model, plan and image.
    """

    def __init__(self, board: BoardUnderTest, deployment: Deployment) -> None:
        self.board = board
        self.deployment = deployment

    @property
    def graph(self) -> Graph:
        """The model's graph."""
        return self.deployment.model.graph

    def default_inputs(self) -> tuple[AnyArray, ...]:
        """Pseudo-random inputs, the same on every machine."""
        return default_inputs(self.graph)

    def run(self, *inputs: AnyArray) -> tuple[AnyArray, ...]:
        """One inference on the board.

        Args:
            inputs: one array for each input, of its dtype and shape; floating point is
                quantized where the input is, and a batch axis may be left out.

        Returns:
            One array for each output, of its dtype and shape.

        Raises:
            UsageError: the inputs do not match the model.
            DeviceError: the board does not answer; the next call starts afresh.
        """
        typed = self._typed(inputs)
        outputs = self._on_device(lambda device: device.infer(typed))
        return tuple(
            values.reshape(tensor.shape)
            for values, tensor in zip(outputs, self.graph.outputs, strict=True)
        )

    def reference(self, *inputs: AnyArray) -> tuple[AnyArray, ...]:
        """What TensorFlow Lite Micro computes of the same inputs on the host, as ``run``."""
        return oracle.run(self.deployment.model.data, self.graph, self._typed(inputs)).outputs

    def measure(self, inputs: Sequence[AnyArray] | None = None) -> Measurement:
        """Counts and memory of one inference; see ``tinyaiot.measure.measure`` for errors."""
        self.board.disconnect()
        measurement = measure(self.deployment, self._given(inputs))
        self.board.note(measurement)
        return measurement

    def validate(self, inputs: Sequence[AnyArray] | None = None) -> Validation:
        """Every layer against TFLM; see ``tinyaiot.measure.validate`` for errors."""
        self.board.disconnect()
        return validate(self.deployment, self._given(inputs))

    def classify(self, *inputs: AnyArray) -> int:
        """One inference; the index of the largest element of the first output."""
        return int(np.argmax(self.run(*inputs)[0]))

    def _given(self, inputs: Sequence[AnyArray] | None) -> Sequence[AnyArray]:
        return self.default_inputs() if inputs is None else self._typed(inputs)

    def _typed(self, inputs: Sequence[AnyArray]) -> tuple[AnyArray, ...]:
        return as_inputs(inputs, self.graph)

    def _on_device(self, act: Callable[[Device], T]) -> T:
        try:
            return act(self.board.device(self.deployment))
        except DeviceError:
            # What is left of it would disturb the next.
            self.board.disconnect()
            raise


def _run_script(script: str, arguments: Sequence[str], timeout_s: int) -> None:
    try:
        subprocess.run([script, *arguments], check=True, timeout=timeout_s)
    except (OSError, subprocess.SubprocessError) as error:
        raise DeviceError(
            f"the hardware map's script failed: {error}", "run it by hand, and mend it"
        ) from error
