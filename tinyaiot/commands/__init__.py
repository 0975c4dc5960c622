"""The commands, found by walking this package: a module NAME that defines NAME is `tinyaiot NAME`.

Each is imported when it is called, so that none waits for what another needs.
"""

from __future__ import annotations

import importlib
import pkgutil

import click


class Commands(click.Group):
    """A group of all commands here."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, in alphabetical order."""
        return sorted(
            info.name for info in pkgutil.iter_modules(__path__) if info.name != "options"
        )

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of that name, or None."""
        if name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{__name__}.{name}")
        command = getattr(module, name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module.__name__}.{name} is no command")
        return command
