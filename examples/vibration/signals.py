"""Vibration of rotating machines, sound and faulty: a physical model, seeded, numpy only.

An accelerometer on the bearing housing of a machine measures, in g, the sum of

- **forces of the shaft**, at multiples of its speed f. Unbalance is a rotating mass, so its force
  is that mass times the radius times (2 pi f)²: acceleration at f grows with f². Misalignment
  bends the shaft twice per turn: 2f, and less at f and 3f. Every machine has a little of both.
- **blows of a bearing's rolling elements** on a fault of a race. The n elements pass a fault of
  the fixed outer race n/2 (1 - d/D cos a) f times per second, one of the turning inner race
  n/2 (1 + d/D cos a) f times (d and D: diameters of element and pitch circle, a: contact angle).
  Each blow makes the housing ring at its own frequency, decaying. Elements slip, so the time
  between blows varies by a percent or so; a fault of the inner race is loaded once a turn, so its
  blows swell and fade with f. (Randall and Antoni, "Rolling element bearing diagnostics - a
  tutorial", Mechanical Systems and Signal Processing 25, 2011.)
- **gears and noise**: a tone at the teeth's frequency, and white noise.

Speed, load, severity and noise are drawn for every window; bearing, resonance and mounting for
every machine. Machines that are tested are never those that were trained on. Faults begin small:
many are near or below the noise, and no classifier finds all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CLASSES = ("sound", "unbalance", "misalignment", "outer race", "inner race")
SAMPLE_HZ = 2048
WINDOW = 512

# The accelerometer's range and resolution: ±4 g in 12 bits.
_RANGE_G = 4.0
_LEVELS = 2048

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Signal = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Machine:
    """What stays the same in one machine.

    Attributes:
        elements: rolling elements of its bearing.
        ratio: diameter of an element over the pitch circle's, times the contact angle's cosine.
        resonance_hz: of the housing, where a blow makes it ring.
        damping: of that resonance, as a part of the critical one.
        teeth: of its gear, which mesh that often per turn.
        gain: of the sensor's mounting.
        mesh_g: amplitude of the gear's tone.
    """

    elements: int
    ratio: float
    resonance_hz: float
    damping: float
    teeth: int
    gain: float
    mesh_g: float


def dataset(machines: int, windows: int, seed: int) -> tuple[Floats, Labels]:
    """Windows of many machines.

    Args:
        machines: how many are drawn.
        windows: of each machine, all classes equally often.
        seed: other seeds give other machines.

    Returns:
        inputs [machines * windows, WINDOW, 1, 1] in [-1, 1], of the sensor's range; labels.
    """
    rng = np.random.default_rng(seed)
    inputs, labels = [], []
    for _ in range(machines):
        machine = _draw_machine(rng)
        for k in range(windows):
            label = k % len(CLASSES)
            inputs.append(_digitized(_acceleration(machine, label, rng)))
            labels.append(label)
    order = rng.permutation(len(labels))
    return np.array(inputs)[order, :, np.newaxis, np.newaxis], np.array(labels)[order]


def _draw_machine(rng: np.random.Generator) -> Machine:
    return Machine(
        elements=int(rng.integers(7, 13)),
        ratio=rng.uniform(0.15, 0.3),
        resonance_hz=rng.uniform(450, 850),
        damping=rng.uniform(0.03, 0.1),
        teeth=int(rng.integers(9, 18)),
        gain=rng.uniform(0.7, 1.3),
        mesh_g=rng.uniform(0.02, 0.15),
    )


def _acceleration(machine: Machine, label: int, rng: np.random.Generator) -> Signal:
    """One window in g, [WINDOW]."""
    speed_hz = rng.uniform(18, 32)
    turns = speed_hz * np.arange(WINDOW) / SAMPLE_HZ + rng.uniform()
    fault = CLASSES[label]
    # Severities: from hardly there to plain.
    unbalance = rng.uniform(0.05, 0.2) + (fault == "unbalance") * rng.uniform(0.12, 0.9)
    bend = rng.uniform(0.02, 0.12) + (fault == "misalignment") * rng.uniform(0.08, 0.6)
    signal = unbalance * (speed_hz / 25) ** 2 * _tone(turns, 1, rng)
    signal += bend * (_tone(turns, 2, rng) + 0.3 * _tone(turns, 1, rng))
    signal += 0.4 * bend * _tone(turns, 3, rng)
    signal += machine.mesh_g * _tone(turns, machine.teeth, rng)
    if fault in ("outer race", "inner race"):
        signal += rng.uniform(0.15, 1.2) * _blows(machine, fault, turns, speed_hz, rng)
    noise_g = rng.uniform(0.03, 0.2)
    return machine.gain * (signal + noise_g * rng.standard_normal(WINDOW))


def _tone(turns: Signal, order: int, rng: np.random.Generator) -> Signal:
    return np.sin(2 * np.pi * (order * turns + rng.uniform()))


def _blows(
    machine: Machine, fault: str, turns: Signal, speed_hz: float, rng: np.random.Generator
) -> Signal:
    """The ringing of all blows, the largest of about 1 g, [WINDOW]."""
    sign = 1 if fault == "inner race" else -1
    rate_hz = machine.elements / 2 * (1 + sign * machine.ratio) * speed_hz
    duration_s = WINDOW / SAMPLE_HZ
    intervals_s = rng.normal(1, 0.015, int(duration_s * rate_hz * 1.5) + 3) / rate_hz
    # The first blows fall before the window, so that it opens in the middle of their ringing.
    times_s = np.cumsum(intervals_s) - rng.uniform(1, 2) / rate_hz
    since_s = np.arange(WINDOW)[:, np.newaxis] / SAMPLE_HZ - times_s
    strength = rng.uniform(0.7, 1.0, len(times_s))
    if fault == "inner race":
        loaded = turns[0] + speed_hz * times_s
        strength = strength * (0.55 + 0.45 * np.cos(2 * np.pi * loaded))
    omega = 2 * np.pi * machine.resonance_hz
    after = np.maximum(since_s, 0)
    ringing = np.exp(-machine.damping * omega * after) * np.sin(omega * after)
    return (strength * ringing).sum(axis=1)


def _digitized(signal_g: Signal) -> Floats:
    levels = np.clip(np.rint(signal_g / _RANGE_G * _LEVELS), -_LEVELS, _LEVELS - 1)
    return (levels / _LEVELS).astype(np.float32)
