"""What a person has to know to start MLPerf Tiny's runner on a board."""

from __future__ import annotations

from tinyaiot.measure import Deployment
from tinyaiot.mlperf import Firmware
from tinyaiot.report import Report


def report_mlperf(report: Report, firmware: Firmware, deployment: Deployment) -> None:
    """The firmware's benchmark, mode and link."""
    report.heading("MLPerf Tiny")
    report.line("benchmark", f"{firmware.benchmark.name}, {firmware.mode.value} mode")
    report.line("link", f"{deployment.port or 'serial'}, {firmware.baud_rate} baud, 8N1")
    report.line("firmware", str(deployment.image.elf))
    report.text("The numbers above are ours. Those of a submission come from MLCommons' runner.")
