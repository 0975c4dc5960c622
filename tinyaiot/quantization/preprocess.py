"""What is done to an image or a sound before a network takes it, declared in a few words.

    resize=32x32,color=gray,scale=1/255          for images
    rate=16000,features=mfcc,frame=640,hop=320   for sounds

The order of the words does not matter: each dataclass below says in which order they are applied.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from tinyaiot.errors import UsageError

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

# Added before the logarithm, which has no value at 0.
_LOG_OFFSET = 1e-6


class Color(enum.Enum):
    """The channels of an image."""

    GRAY = "gray"
    RGB = "rgb"


class Features(enum.Enum):
    """What a network is given of a sound."""

    WAVEFORM = "waveform"
    LOG_MEL = "log-mel"
    MFCC = "mfcc"


@dataclass(frozen=True)
class Normalization:
    """The last step: (x · scale − mean) / std.

    Attributes:
        mean, std: one value, or one for each channel, which is the last axis.
    """

    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def normalized(self, values: npt.NDArray[Any]) -> Floats:
        """The values as the network takes them.

        Raises:
            UsageError: there are means or deviations for another number of channels.
        """
        for several in (self.mean, self.std):
            if len(several) not in (1, values.shape[-1]):
                raise UsageError(
                    f"mean or std has {len(several)} values, there are {values.shape[-1]} channels",
                    "give one value, or one for each channel: mean=0.5:0.4:0.4",
                )
        centred = values * self.scale - np.array(self.mean)
        scaled: Floats = (centred / np.array(self.std)).astype(np.float32)
        return scaled


@dataclass(frozen=True)
class ImagePreprocess(Normalization):
    """Of an image: color, resize, and normalization of its pixels from 0 to 255.

    Attributes:
        color: its channels; those of the file if None.
        resize: height and width, bilinear as Pillow does it; those of the file if None.
    """

    color: Color | None = None
    resize: tuple[int, int] | None = None


@dataclass(frozen=True)
class SoundPreprocess(Normalization):
    """Of a sound: rate is checked, length kept, features taken, and those normalized.

    ``log-mel`` is ln(m + 1e-6) of the magnitudes of a short-time Fourier transform, summed by
    triangles in ``bands`` mel bands; ``mfcc`` the first ``coefficients`` of its cosine transform.
    Both are those of ``tf.signal``: periodic Hann window, no padding, a transform of the next power
    of two, ``linear_to_mel_weight_matrix``, ``mfccs_from_log_mel_spectrograms``.

    Attributes:
        rate: samples a second that a file must have; any if None.
        length: samples; longer sounds lose their end, shorter ones get zeros there.
        features: what the network is given: [samples, 1], [frames, bands, 1] or
            [frames, coefficients, 1].
        frame, hop: the length of a frame and the distance of two, in samples.
        bands, coefficients: how many there are.
        low, high: where the bands begin and end, in Hz.
    """

    rate: int | None = None
    length: int | None = None
    features: Features = Features.WAVEFORM
    frame: int = 640
    hop: int = 320
    bands: int = 40
    coefficients: int = 10
    low: float = 20.0
    high: float = 4000.0

    def extracted(self, wave: Doubles, rate: int) -> Doubles:
        """The features of a sound.

        Args:
            wave: [samples], from -1 to 1.
            rate: samples a second.

        Raises:
            UsageError: the sound is shorter than a frame, or the bands end beyond half its rate.
        """
        if self.length is not None:
            wave = np.pad(wave[: self.length], (0, max(self.length - len(wave), 0)))
        if self.features is Features.WAVEFORM:
            return wave[:, np.newaxis]
        if len(wave) < self.frame:
            raise UsageError(
                f"a sound has {len(wave)} samples, a frame {self.frame}", "give length= or frame="
            )
        if not 0 <= self.low < self.high <= rate / 2:
            raise UsageError(
                f"the bands lie from {self.low:g} to {self.high:g} Hz, the sound from 0 to "
                f"{rate / 2:g} Hz",
                "give low= and high= within it",
            )
        features = self._log_mel(wave, rate)
        if self.features is Features.MFCC:
            features = features @ _cosines(self.bands)[:, : self.coefficients]
        return features[..., np.newaxis]

    def _log_mel(self, wave: Doubles, rate: int) -> Doubles:
        transform = 1 << max(self.frame - 1, 0).bit_length()
        frames = np.lib.stride_tricks.sliding_window_view(wave, self.frame)[:: self.hop]
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.frame) / self.frame)
        magnitudes = np.abs(np.fft.rfft(frames * window, transform))
        frequencies = np.linspace(0, rate / 2, transform // 2 + 1)
        bands: Doubles = np.log(magnitudes @ self._triangles(frequencies) + _LOG_OFFSET)
        return bands

    def _triangles(self, frequencies: Doubles) -> Doubles:
        """The weight of each frequency in each band, [frequencies, bands]."""
        edges = np.linspace(_mel(self.low), _mel(self.high), self.bands + 2)
        mels = _mel(frequencies)[:, np.newaxis]
        rising = (mels - edges[:-2]) / (edges[1:-1] - edges[:-2])
        falling = (edges[2:] - mels) / (edges[2:] - edges[1:-1])
        weights: Doubles = np.maximum(0, np.minimum(rising, falling))
        weights[0] = 0  # a constant is no sound
        return weights


def _mel(frequency: Any) -> Any:
    return 1127 * np.log1p(np.asarray(frequency) / 700)


def _cosines(bands: int) -> Doubles:
    """The cosine transform of type II, scaled as HTK does: [bands, coefficients]."""
    n, k = np.arange(bands)[:, np.newaxis], np.arange(bands)
    cosines: Doubles = np.cos(np.pi / bands * (n + 0.5) * k) * math.sqrt(2 / bands)
    return cosines


Preprocess = TypeVar("Preprocess", ImagePreprocess, SoundPreprocess)


def parse(text: str, kind: type[Preprocess]) -> Preprocess:
    """The preprocessing that ``WORD=VALUE,WORD=VALUE`` declares.

    Raises:
        UsageError: a word is unknown or has no such value.
    """
    words = {field.name: _READERS[field.name] for field in dataclasses.fields(kind)}
    chosen: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        word, _, value = part.partition("=")
        if word not in words:
            raise UsageError(f"there is no word {word!r} here", f"there are: {', '.join(words)}")
        reader, example = words[word]
        try:
            chosen[word] = reader(value)
        except (ValueError, ZeroDivisionError) as error:
            raise UsageError(f"{word} cannot be {value!r}", f"such as {word}={example}") from error
    return kind(**chosen)


def _number(text: str) -> float:
    """A finite number or a fraction, such as 1/255."""
    above, slash, below = text.partition("/")
    value = float(above) / float(below) if slash else float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(_number(part) for part in text.split(":"))


def _divisors(text: str) -> tuple[float, ...]:
    values = _numbers(text)
    if 0 in values:
        raise ValueError(text)
    return values


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def _size(text: str) -> tuple[int, int]:
    height, width = text.split("x")
    return _count(height), _count(width)


# How the value of each word is read, and an example.
_READERS: Mapping[str, tuple[Callable[[str], Any], str]] = MappingProxyType(
    {
        "scale": (_number, "1/255"),
        "mean": (_numbers, "0.5 or, for each channel, 0.5:0.4:0.4"),
        "std": (_divisors, "0.5 or, for each channel, 0.5:0.4:0.4"),
        "color": (Color, "gray or rgb"),
        "resize": (_size, "32x32, height x width"),
        "rate": (_count, "16000"),
        "length": (_count, "16000"),
        "features": (Features, "waveform, log-mel or mfcc"),
        "frame": (_count, "640"),
        "hop": (_count, "320"),
        "bands": (_count, "40"),
        "coefficients": (_count, "10"),
        "low": (_number, "20"),
        "high": (_number, "4000"),
    }
)
