"""Which boards are plugged in, by the USB ids of the serial ports that this computer has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tinyaiot.boards import Board, Usb


@dataclass(frozen=True)
class PortInfo:
    """A serial port, as pyserial's ``list_ports`` describes it.

    Attributes:
        device: its name, for example ``/dev/ttyACM0``.
        vid: USB vendor id; None for a port that is not on USB.
        pid: USB product id; None as ``vid``.
        description: what the system calls it.
        serial_number: of the USB device; None where it has none.
    """

    device: str
    vid: int | None = None
    pid: int | None = None
    description: str = ""
    serial_number: str | None = None


@dataclass(frozen=True)
class Connected:
    """A serial port on USB and the boards that may be behind it.

    Attributes:
        boards: ids; more than one where boards share a probe or converter.
        certain: whether no other product has this USB id, as far as the board files know.
        bootloader: whether the id is that of a boot loader, which runs no model.
    """

    port: PortInfo
    boards: tuple[str, ...]
    certain: bool
    bootloader: bool


def serial_ports() -> tuple[PortInfo, ...]:
    """The serial ports of this computer."""
    from serial.tools.list_ports import comports  # slow to import

    return tuple(
        PortInfo(p.device, p.vid, p.pid, p.description or "", p.serial_number) for p in comports()
    )


def find_connected(boards: Iterable[Board], ports: Sequence[PortInfo]) -> tuple[Connected, ...]:
    """The USB ports among ``ports`` in their order, each with the boards of its USB id.

    A port that no board file knows has no boards. One board with several ports (a probe with
    two, say) gives several entries.
    """
    known = [(usb, board) for board in boards for usb in board.usb]
    return tuple(_behind(port, known) for port in ports if port.vid is not None)


def _behind(port: PortInfo, known: Sequence[tuple[Usb, Board]]) -> Connected:
    found = [(usb, board) for usb, board in known if (usb.vid, usb.pid) == (port.vid, port.pid)]
    return Connected(
        port,
        tuple(board.id for _, board in found),
        certain=len(found) == 1 and not found[0][0].shared,
        bootloader=bool(found) and all(usb.bootloader for usb, _ in found),
    )
