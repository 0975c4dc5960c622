"""Short sounds in noise, synthesised: seeded, numpy only; and what a network hears of them.

One second at 8 kHz holds one sound of a class, somewhere in it, over a background: coloured noise,
often with a hum of the mains and a faint second tone, which belong to no class. The sound is
between 12 dB below the background and 12 dB above it, with an echo of the room. Pitch, speed,
length and place are drawn for each, and the classes touch: a slow sweep is nearly a beep, a fast
siren nearly a sweep.

A network gets the logarithmic mel spectrogram: windows of 32 ms, 20 ms apart, in
steps of half a dB.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

CLASSES = ("background", "beep", "rising", "falling", "siren", "engine", "knocks", "hiss")
SAMPLE_HZ = 8000
SECONDS = 1
FRAMES = 49

_WINDOW = 256
_HOP = 160
_LOWEST_HZ = 60.0
_HIGHEST_HZ = 3900.0
# Power in dB, relative to full scale, that becomes -1 and 1.
_FLOOR_DB, _CEILING_DB = -100.0, 0.0
_STEP_DB = 0.5

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Signal = npt.NDArray[np.float64]


def dataset(count: int, bands: int, seed: int) -> tuple[Floats, Labels]:
    """Sounds of all classes, equally often.

    Args:
        bands: of the mel spectrogram.
        seed: other seeds give other sounds.

    Returns:
        inputs [count, FRAMES, bands, 1] in [-1, 1], labels [count].
    """
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % len(CLASSES))
    filters = _mel_filters(bands)
    inputs = np.array([_features(sound(int(label), rng), filters) for label in labels])
    return inputs[..., np.newaxis], labels


def sound(label: int, rng: np.random.Generator) -> Signal:
    """One second, [SAMPLE_HZ * SECONDS], its peak between 0.1 and 0.9 of full scale."""
    background = _background(rng)
    background /= np.sqrt(np.mean(background**2))
    if CLASSES[label] == "background":
        mixed = background
    else:
        event = _echoing(_event(CLASSES[label], rng), rng)
        heard = event[event != 0]
        gain = 10 ** (rng.uniform(-12, 12) / 20) / np.sqrt(np.mean(heard**2))
        mixed = background + gain * event
    return rng.uniform(0.1, 0.9) * mixed / np.abs(mixed).max()


def _event(name: str, rng: np.random.Generator) -> Signal:
    """A sound of 0.25 to 0.8 s in a second of silence."""
    length = int(rng.uniform(0.25, 0.8) * SAMPLE_HZ)
    time_s = np.arange(length) / SAMPLE_HZ
    if name == "engine":
        event = _harmonics(_glide(rng.uniform(60, 160), rng.uniform(0.9, 1.15), length), rng)
    elif name == "knocks":
        event = _knocks(time_s, rng)
    elif name == "hiss":
        event = _band_noise(length, rng.uniform(1000, 2800), rng.uniform(300, 900), rng)
    else:
        event = np.sin(2 * np.pi * np.cumsum(_pitch_hz(name, time_s, rng)) / SAMPLE_HZ)
    fade = np.minimum(1, np.minimum(np.arange(length), np.arange(length)[::-1]) / 160)
    whole = np.zeros(SAMPLE_HZ * SECONDS)
    start = int(rng.integers(0, len(whole) - length))
    whole[start : start + length] = event * fade
    return whole


def _pitch_hz(name: str, time_s: Signal, rng: np.random.Generator) -> Signal:
    start_hz = rng.uniform(300, 2600)
    if name == "siren":
        rate_hz, depth = rng.uniform(2.5, 8), rng.uniform(0.06, 0.25)
        phase = rng.uniform(0, 2 * np.pi)
        return start_hz * (1 + depth * np.sin(2 * np.pi * rate_hz * time_s + phase))
    if name == "beep":
        return _glide(start_hz, rng.uniform(0.98, 1.02), len(time_s))
    ratio = rng.uniform(1.06, 1.5)
    return _glide(start_hz, ratio if name == "rising" else 1 / ratio, len(time_s))


def _glide(start_hz: float, ratio: float, length: int) -> Signal:
    return start_hz * ratio ** np.linspace(0, 1, length)


def _harmonics(pitch_hz: Signal, rng: np.random.Generator) -> Signal:
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_HZ
    orders = np.arange(1, 12)[:, np.newaxis]
    strengths = rng.uniform(0.2, 1, orders.shape) / orders**0.7
    return (strengths * np.sin(orders * phase + rng.uniform(0, 6, orders.shape))).sum(axis=0)


def _knocks(time_s: Signal, rng: np.random.Generator) -> Signal:
    interval_s = rng.uniform(0.08, 0.25)
    since_s = np.mod(time_s * (1 + 0.05 * rng.standard_normal()), interval_s)
    ringing = np.exp(-since_s * rng.uniform(40, 120))
    return ringing * np.sin(2 * np.pi * rng.uniform(200, 1800) * since_s)


def _band_noise(length: int, center_hz: float, width_hz: float, rng: np.random.Generator) -> Signal:
    frequencies_hz = np.fft.rfftfreq(length, 1 / SAMPLE_HZ)
    shape = np.exp(-(((frequencies_hz - center_hz) / width_hz) ** 2))
    return np.fft.irfft(np.fft.rfft(rng.standard_normal(length)) * shape, length)


def _background(rng: np.random.Generator) -> Signal:
    """Noise whose power falls by up to 9 dB an octave, with tones that belong to no class."""
    length = SAMPLE_HZ * SECONDS
    time_s = np.arange(length) / SAMPLE_HZ
    frequencies_hz = np.maximum(np.fft.rfftfreq(length, 1 / SAMPLE_HZ), 30)
    shape = frequencies_hz ** -rng.uniform(0, 1.5)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(length)) * shape, length)
    noise /= noise.std()
    hum_hz = rng.choice([50, 60])
    noise += rng.uniform(0, 0.6) * np.sin(2 * np.pi * hum_hz * time_s)
    return noise + rng.uniform(0, 0.15) * np.sin(2 * np.pi * rng.uniform(300, 3000) * time_s)


def _echoing(event: Signal, rng: np.random.Generator) -> Signal:
    delay = int(rng.uniform(0.01, 0.06) * SAMPLE_HZ)
    echoed = event.copy()
    echoed[delay:] += rng.uniform(0, 0.5) * event[:-delay]
    return echoed


def _features(signal: Signal, filters: Signal) -> Floats:
    """The logarithmic mel spectrogram in [-1, 1], [FRAMES, bands]."""
    starts = _HOP * np.arange(FRAMES)[:, np.newaxis]
    frames = signal[starts + np.arange(_WINDOW)] * np.hanning(_WINDOW)
    power = np.abs(np.fft.rfft(frames)) ** 2 / (np.sum(np.hanning(_WINDOW)) / 2) ** 2
    level_db = np.rint(10 * np.log10(power @ filters + 1e-12) / _STEP_DB) * _STEP_DB
    scaled = (level_db - _FLOOR_DB) / (_CEILING_DB - _FLOOR_DB) * 2 - 1
    return np.clip(scaled, -1, 1).astype(np.float32)


def _mel_filters(bands: int) -> Signal:
    """Triangles that overlap by half, equally wide on the mel scale, [frequencies, bands]."""
    mels = np.linspace(_mel(_LOWEST_HZ), _mel(_HIGHEST_HZ), bands + 2)
    edges_hz = 700 * (10 ** (mels / 2595) - 1)
    frequencies_hz = np.fft.rfftfreq(_WINDOW, 1 / SAMPLE_HZ)[:, np.newaxis]
    low, middle, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rising = (frequencies_hz - low) / (middle - low)
    falling = (high - frequencies_hz) / (high - middle)
    return np.maximum(0, np.minimum(rising, falling))


def _mel(frequency_hz: float) -> float:
    return float(2595 * np.log10(1 + frequency_hz / 700))
