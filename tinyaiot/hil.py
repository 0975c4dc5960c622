"""Hardware in the loop: a board that is held, and models that run on it from a test.

The same on emulated and real boards. One model at a time is on a board; another one is put there
when it is used.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np

from tinyaiot import oracle, pipeline
from tinyaiot.devices.link import Device
from tinyaiot.devices.lock import held
from tinyaiot.devices.upload import Tool
from tinyaiot.errors import DeviceError
from tinyaiot.flash import put_on_board
from tinyaiot.graph import Graph
from tinyaiot.hardware_map import Station
from tinyaiot.measure import Deployment, Measurement, Validation, measure, open_device, validate
from tinyaiot.operators.base import AnyArray
from tinyaiot.pipeline import PlanOptions
from tinyaiot.samples import as_inputs, default_inputs

T = TypeVar("T")

# Of a hardware map's runners those that tinyaiot drives; with the others it takes its default.
_TOOLS = {"esp32": Tool.ESPTOOL, **{tool.value: tool for tool in Tool}}


class BoardUnderTest:
    """A station of a bench that this process holds; a context manager that lets it go.

    Attributes:
        station: its entry in the hardware map.
        board: its board file.
    """

    def __init__(self, station: Station, wait_s: float = 0.0, *, flash: bool = True) -> None:
        """Holds the board.

        Args:
            wait_s: how long to wait for another process to let it go.
            flash: whether images are put onto it; else it has to run them already.

        Raises:
            DeviceError: another process holds it, or its script failed.
        """
        self.station = station
        self.board = station.board
        self._flash = flash
        self._used: Deployment | None = None  # last, and as it is on the board:
        self._on_board: Deployment | None = None
        self._device: Device | None = None
        self._connection = contextlib.ExitStack()
        self._measurements: list[Measurement] = []
        with contextlib.ExitStack() as stack:
            if station.serial is not None:
                stack.enter_context(held(station.serial, wait_s))
            p = station.script_param
            _run_script(station.pre_script, p.pre_script_arg, p.pre_script_timeout)
            stack.callback(
                _run_script, station.post_script, p.post_script_arg, p.post_script_timeout
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

    def ready(self, deployment: Deployment) -> Deployment:
        """The deployment on the board, at its port; put there if another one is.

        Raises:
            DeviceError: it could not be flashed, or a script failed.
        """
        if self._on_board is None or self._used is not deployment:
            self.forget()
            self._used, self._on_board = deployment, self._put(deployment)
        return self._on_board

    def _put(self, deployment: Deployment) -> Deployment:
        station = self.station
        if station.is_emulated:
            return put_on_board(deployment)
        on_board = put_on_board(deployment, flash=self._flash, tool=_TOOLS.get(station.runner))
        if self._flash:
            p = station.script_param
            _run_script(station.post_flash_script, p.post_flash_script_arg, p.post_flash_timeout)
        return on_board

    def device(self, deployment: Deployment) -> Device:
        """The running board with that deployment's model; DeviceError where that fails."""
        on_board = self.ready(deployment)
        if self._device is None:
            self._device = self._connection.enter_context(open_device(on_board))
        return self._device

    def disconnect(self) -> None:
        """Ends the connection, and an emulated board; the next use makes another."""
        self._device = None
        self._connection.close()

    def forget(self) -> None:
        """Ends the connection, and takes the board for one that runs who knows what."""
        self.disconnect()
        self._used = self._on_board = None

    def note(self, measurement: Measurement) -> None:
        """Keeps a measurement for who reports on the board."""
        self._measurements.append(measurement)

    def take_measurements(self) -> list[Measurement]:
        """The measurements since the last call."""
        taken, self._measurements = self._measurements, []
        return taken


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
        given = self._given(inputs)
        measurement = self._alone(lambda on_board: measure(on_board, given))
        self.board.note(measurement)
        return measurement

    def validate(self, inputs: Sequence[AnyArray] | None = None) -> Validation:
        """Every layer against TFLM; see ``tinyaiot.measure.validate`` for errors."""
        given = self._given(inputs)
        return self._alone(lambda on_board: validate(on_board, given))

    def classify(self, *inputs: AnyArray) -> int:
        """One inference; the index of the largest element of the first output."""
        return int(np.argmax(self.run(*inputs)[0]))

    def _given(self, inputs: Sequence[AnyArray] | None) -> Sequence[AnyArray]:
        return self.default_inputs() if inputs is None else self._typed(inputs)

    def _typed(self, inputs: Sequence[AnyArray]) -> tuple[AnyArray, ...]:
        return as_inputs(inputs, self.graph)

    def _on_device(self, act: Callable[[Device], T]) -> T:
        with self._failing_afresh():
            return act(self.board.device(self.deployment))

    def _alone(self, act: Callable[[Deployment], T]) -> T:
        """``act`` on the deployment on its board, to which nobody is connected."""
        with self._failing_afresh():
            on_board = self.board.ready(self.deployment)
            self.board.disconnect()
            return act(on_board)

    @contextlib.contextmanager
    def _failing_afresh(self) -> Iterator[None]:
        try:
            yield
        except DeviceError:
            # What is left of it would disturb the next.
            self.board.forget()
            raise


def _run_script(script: str | None, arguments: Sequence[str], timeout_s: int) -> None:
    if script is None:
        return
    try:
        subprocess.run([script, *arguments], check=True, timeout=timeout_s)
    except (OSError, subprocess.SubprocessError) as error:
        raise DeviceError(
            f"a script of the hardware map failed: {error}", "run it by hand, and mend it"
        ) from error
