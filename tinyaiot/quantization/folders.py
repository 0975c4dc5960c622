"""Folders of images and of WAV files as samples; folders within are classes."""

from __future__ import annotations

import warnings
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyaiot.errors import CalibrationError, UsageError
from tinyaiot.quantization.preprocess import Color, ImagePreprocess, SoundPreprocess, parse

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".webp")
SOUNDS = (".wav",)

_MODES = {Color.GRAY: "L", Color.RGB: "RGB"}


def read_folder(folder: Path, preprocess: str) -> tuple[Floats, npt.NDArray[np.int64] | None]:
    """All images or all WAV files of a folder, in the order of their paths.

    Args:
        preprocess: words of ``tinyaiot.quantization.preprocess``.

    Returns:
        [count, ...], and the class of each where the files lie in folders within: their number
        in alphabetical order.

    Raises:
        CalibrationError: there are no such files, or both kinds; one cannot be read; or they
            have different shapes.
        UsageError: the words are not understood, or Pillow is not installed.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    images = [path for path in files if path.suffix.lower() in IMAGES]
    sounds = [path for path in files if path.suffix.lower() in SOUNDS]
    if images and sounds:
        raise CalibrationError(
            f"{folder} holds {len(images)} images and {len(sounds)} WAV files",
            "name a folder of one kind",
        )
    if images:
        wanted = parse(preprocess, ImagePreprocess)
        samples = [read_image(path, wanted) for path in images]
    elif sounds:
        heard = parse(preprocess, SoundPreprocess)
        samples = [read_sound(path, heard) for path in sounds]
    else:
        raise CalibrationError(
            f"{folder} holds neither images nor WAV files",
            f"such files end in one of: {', '.join((*IMAGES, *SOUNDS))}",
        )
    paths = images or sounds
    for path, sample in zip(paths, samples, strict=True):
        if sample.shape != samples[0].shape:
            raise CalibrationError(
                f"{path} gives {_shape(sample)}, {paths[0].name} {_shape(samples[0])}",
                "declare it: --preprocess resize=32x32,color=rgb; of sounds, length=16000",
            )
    return np.stack(samples), _classes(folder, paths)


def read_image(path: Path, preprocess: ImagePreprocess) -> Floats:
    """An image as [height, width, channels].

    Raises:
        CalibrationError: the file cannot be read.
        UsageError: Pillow is not installed, or the words do not fit the image.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise UsageError(
            "images are read by Pillow, which is not installed", "run: pip install pillow"
        ) from error
    try:
        with warnings.catch_warnings(), Image.open(path) as file:
            warnings.simplefilter("ignore")
            if file.mode.startswith(("I", "F")):
                raise ValueError("more than 8 bits for each channel")
            grey = file.mode in ("1", "L", "LA")
            color = preprocess.color or (Color.GRAY if grey else Color.RGB)
            image = file.convert(_MODES[color])
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise CalibrationError(
            f"{path} cannot be read as an image: {str(error).splitlines()[0]}",
            "leave it out, or save it again with 8 bits for each channel",
        ) from error
    if preprocess.resize is not None:
        height, width = preprocess.resize
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(image, np.float64)
    return preprocess.normalized(pixels[..., np.newaxis] if pixels.ndim == 2 else pixels)


def read_sound(path: Path, preprocess: SoundPreprocess) -> Floats:
    """The features of a WAV file of integers; several channels are averaged.

    Raises:
        CalibrationError: the file cannot be read, or has another rate.
        UsageError: the words do not fit the sound.
    """
    try:
        with wave.open(str(path), "rb") as file:
            rate, width, channels = file.getframerate(), file.getsampwidth(), file.getnchannels()
            data = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise CalibrationError(
            f"{path} cannot be read as a WAV file: {error}",
            "save it as integers (PCM) of 8, 16, 24 or 32 bits",
        ) from error
    if preprocess.rate is not None and rate != preprocess.rate:
        raise CalibrationError(
            f"{path} has {rate} samples a second, not {preprocess.rate}",
            "convert it, such as by: sox IN.wav -r RATE OUT.wav",
        )
    mono = _integers(data, width).reshape(-1, channels).mean(axis=1)
    return preprocess.normalized(preprocess.extracted(mono, rate))


def _integers(data: bytes, width: int) -> Doubles:
    """The samples of a WAV file from -1 to 1; one byte is unsigned, more are signed."""
    if width == 1:
        return (np.frombuffer(data, np.uint8).astype(np.float64) - 128) / 128
    raw = np.frombuffer(data, np.uint8)
    # The low bytes of 32 bits, so that the sign is where it belongs.
    padded = np.zeros((len(raw) // width, 4), np.uint8)
    padded[:, 4 - width :] = raw[: len(padded) * width].reshape(-1, width)
    return padded.view("<i4")[:, 0] / 2.0**31


def _classes(folder: Path, paths: Sequence[Path]) -> npt.NDArray[np.int64] | None:
    names = [path.relative_to(folder).parts[0] for path in paths]
    if any(path.parent == folder for path in paths):
        return None
    order = sorted(set(names))
    return np.array([order.index(name) for name in names]) if len(order) > 1 else None


def _shape(array: npt.NDArray[Any]) -> str:
    return "x".join(map(str, array.shape))
