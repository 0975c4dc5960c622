"""A board on the desk, as far as the host sees one: a port that outlives connections to it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def board_on_desk(program: Path) -> Iterator[str]:
    """The name of a port for pyserial; each connection to it finds the program started anew.

    Args:
        program: an image for the board `host`, which serves one connection.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, program), daemon=True)
        thread.start()
        yield f"socket://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def _serve(listener: socket.socket, program: Path) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            with client, subprocess.Popen([program], stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                port = int(process.stdout.readline().removeprefix("listening on "))
                with socket.create_connection(("127.0.0.1", port)) as board:
                    _join(client, board)
                process.kill()


def _join(client: socket.socket, board: socket.socket) -> None:
    """Passes bytes both ways until the client has gone."""
    back = threading.Thread(target=_pass, args=(board, client), daemon=True)
    back.start()
    _pass(client, board)
    board.shutdown(socket.SHUT_RDWR)
    back.join(10)


def _pass(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(4096):
            sink.sendall(data)
