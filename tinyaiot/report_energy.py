"""What an inference took from the power supply."""

from __future__ import annotations

from tinyaiot.energy import Energy
from tinyaiot.report import Report


def report_energy(report: Report, energy: Energy) -> None:
    """Energy and power, and how they were come by."""
    report.heading("Energy")
    report.line("inference", f"{energy.microjoules:,.1f} uJ")
    report.line("power", f"{energy.milliwatts:,.3f} mW on average, the idle board's included")
    report.line(
        "from", f"{energy.runs:,} runs in {energy.seconds:.2f} s, {energy.samples:,} samples"
    )
