"""Deployment → the same on its board: which port, flashed by which tool."""

from __future__ import annotations

from dataclasses import replace

from tinyaiot.boards import Board
from tinyaiot.build import Image
from tinyaiot.devices.connected import find_connected, serial_ports
from tinyaiot.devices.emulator import EmulatedBoard
from tinyaiot.devices.faults import Symbols
from tinyaiot.devices.link import Device, Identity
from tinyaiot.devices.lock import held
from tinyaiot.devices.serial_link import SerialLink
from tinyaiot.devices.upload import Target, Tool, default_tool, upload
from tinyaiot.errors import DeviceError
from tinyaiot.measure import Deployment


def put_on_board(
    deployment: Deployment, *, flash: bool = True, tool: Tool | None = None
) -> Deployment:
    """Flashes the image where that is possible, and finds the board's port.

    An emulated board is started with its image, and a board without an upload method runs what
    it runs: whether that is the image is asked before anything is measured.

    Args:
        flash: whether to flash; else the board has to run the image already.
        tool: that flashes; by default the one that fits the board file.

    Returns:
        The deployment at its port.

    Raises:
        UsageError: the tool does not fit the board.
        DeviceError: no port was found, the tool failed, or the port did not come back.
    """
    if deployment.port is None and deployment.board.runs_here and tool is None:
        return deployment
    if not flash:
        return replace(deployment, port=deployment.port or find_port(deployment.board))
    port = put_image(deployment.board, deployment.image, deployment.port, tool)
    return replace(deployment, port=port)


def put_image(board: Board, image: Image, port: str | None, tool: Tool | None = None) -> str | None:
    """Flashes an image onto a board; errors are those of :func:`put_on_board`.

    Returns:
        The board's port; None for one that this computer emulates.
    """
    if port is None and board.runs_here and tool is None:
        return None
    port = find_port(board) if port is None else port
    if tool is None and default_tool(board) is None:
        return port
    with held(port):
        target = Target(board, image.project, image.elf, image.binary, port)
        return upload(target, tool) or port


def identify(board: Board, image: Image, port: str | None) -> Identity:
    """What runs on a board at a port, or on an emulated one; raises DeviceError if nothing does."""
    symbols = Symbols(image.elf)
    if port is None:
        with EmulatedBoard(board, image) as running:
            return Device(running.link, symbols=symbols).identify()
    with held(port), Device(SerialLink(port), symbols=symbols) as device:
        return device.identify()


def find_port(board: Board) -> str:
    """The port of the only board of that kind on USB; raises DeviceError if there are others."""
    found = [
        entry.port.device
        for entry in find_connected([board], serial_ports())
        if entry.boards and not entry.bootloader
    ]
    if len(found) == 1:
        return found[0]
    there = f"several ports may be {board.id}: {', '.join(found)}"
    raise DeviceError(
        there if found else f"{board.id} was not found on USB",
        "name its port: --port; tinyaiot boards --connected lists what is there",
    )
