"""The wheel holds everything that the checkout's package reads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a freshly built wheel was installed into."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run([*pip, *build], check=True)
    [wheel] = folder.glob("tinyaiot-*.whl")
    target = folder / "site"
    install = ["install", "--no-deps", "--no-compile", "--target", str(target), str(wheel)]
    subprocess.run([*pip, *install], check=True)
    return target


def test_wheel_has_all_data(installed: Path) -> None:
    for folder in ("templates", "firmware", "boards"):
        assert files(installed / "tinyaiot" / "data" / folder) == files(ROOT / folder)


def files(folder: Path) -> set[Path]:
    """All files below ``folder`` that are not made by running Python."""
    return {
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def test_installed_command_finds_its_data(installed: Path, tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(installed)!r})\n"
        "import tinyaiot; from tinyaiot.cli import run\n"
        f"assert tinyaiot.__file__.startswith({str(installed)!r})\n"
        "sys.exit(run(['boards']))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "mps2-an386" in result.stdout
