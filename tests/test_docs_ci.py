"""The workflow in docs/ci.md does what the page says: its steps are run as a runner runs them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.test_docs_hil import checkout as checkout

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def steps() -> dict[str, str]:
    """What the workflow runs, by the step's name; the set-up is left out."""
    [text] = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    [job] = yaml.safe_load(text)["jobs"].values()
    return {step["name"]: step["run"] for step in job["steps"] if "run" in step}


def run(script: str, cwd: Path) -> int:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(cwd / "step-summary.md"),
    }
    # As GitHub's runners call a shell.
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=cwd, env=environment, check=False).returncode


def test_the_workflow(steps: dict[str, str], checkout: Path) -> None:
    [make_baseline] = re.findall(r"^    (tinyaiot measure .*)$", PAGE, re.MULTILINE)
    assert run(make_baseline, checkout) == 0
    assert run(steps["Measure"], checkout) == 0
    assert run(steps["Compare with what is committed"], checkout) == 0
    summary = (checkout / "step-summary.md").read_text()
    assert summary.count("### digits on mps2-an386") == 2
    baseline = checkout / "baseline.json"
    better = json.loads(baseline.read_text())
    better["flash_bytes"] -= better["flash_bytes"] // 100
    baseline.write_text(json.dumps(better))
    assert run(steps["Compare with what is committed"], checkout) == 9
    assert "| **flash_bytes** |" in (checkout / "step-summary.md").read_text()


def test_the_packages_are_those_of_the_set_up(steps: dict[str, str]) -> None:
    known = (ROOT / "scripts" / "setup").read_text()
    packages = re.findall(r"[\w-]+", steps["Install"].partition("-y")[2].partition("pip")[0])
    assert packages
    assert all(package in known for package in packages)


def test_the_tests_on_boards_are_a_command_of_the_other_page(steps: dict[str, str]) -> None:
    words = steps["Test on boards"].split()
    other = (ROOT / "docs" / "hil.md").read_text()
    assert words[:2] == ["pytest", "examples/hil"]
    assert all(word in other for word in words if word.startswith("--"))
