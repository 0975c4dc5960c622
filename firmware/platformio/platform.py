# SPDX-License-Identifier: Apache-2.0
"""The platform as PlatformIO sees it."""

from platformio.platform.base import PlatformBase


class TinyaiotPlatform(PlatformBase):
    """Needs no packages: compilers and emulators are on PATH."""

    def is_embedded(self):
        """Its programs are uploaded, and talk over a serial port."""
        return True
