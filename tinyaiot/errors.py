"""Every failure that is not a bug of ours, each with the exit code of DESIGN's table."""

from __future__ import annotations


class TinyaiotError(Exception):
    """A failure the user can act on: one line of what happened, one of what to do.

    Attributes:
        what: what happened, one line.
        hint: what to do about it, one line.
        details: further lines shown below the first (violations, last log lines).
    """

    exit_code = 70

    def __init__(self, what: str, hint: str, details: tuple[str, ...] = ()) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.details = details


class UsageError(TinyaiotError):
    """The command line or an option's value is wrong."""

    exit_code = 2


class UnreadableModelError(TinyaiotError):
    """The model file is missing, truncated, or not what its name says."""

    exit_code = 3


class UnsupportedModelError(TinyaiotError):
    """The model breaks rules of supported operators; ``details`` lists all of them."""

    exit_code = 4


class DoesNotFitError(TinyaiotError):
    """The plan or the image exceeds a memory of the board."""

    exit_code = 5


class BuildError(TinyaiotError):
    """A compiler is missing or the generated project did not build."""

    exit_code = 6


class DeviceError(TinyaiotError):
    """The board or its emulator cannot be reached, or answered wrongly."""

    exit_code = 7


class OutputsDifferError(TinyaiotError):
    """The board's outputs are not the reference's."""

    exit_code = 8


class WorseError(TinyaiotError):
    """A measurement is worse than another by more than was allowed."""

    exit_code = 9


class CalibrationError(UsageError):
    """Calibration data or samples are missing, unreadable, or not what the model takes."""

    exit_code = 10
