"""Calibration data from files, folders and functions; what is wrong with them is said in a line."""

from __future__ import annotations

import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tinyaiot.errors import CalibrationError, UsageError
from tinyaiot.quantization import check_samples, hold_out, load_data
from tinyaiot.quantization.folders import read_sound
from tinyaiot.quantization.preprocess import Features, ImagePreprocess, SoundPreprocess, parse

RATE = 8000


def write_sound(
    path: Path, values: npt.NDArray[np.int64], width: int = 2, channels: int = 1
) -> None:
    """Integers [samples] or [samples, channels] as a WAV file of ``width`` bytes a sample."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(RATE)
        offset = 128 if width == 1 else 0
        raw = (values.ravel() + offset).astype("<i4").view(np.uint8).reshape(-1, 4)
        file.writeframes(raw[:, :width].tobytes())


@pytest.fixture
def images(tmp_path: Path) -> Path:
    image = pytest.importorskip("PIL.Image", reason="needs Pillow: pip install pillow")
    rng = np.random.default_rng(1)
    for k in range(6):
        folder = tmp_path / "images" / ("cat", "dog")[k % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
        image.fromarray(pixels).save(folder / f"{k}.png")
    return tmp_path / "images"


def test_images_are_pixels_and_folders_within_are_classes(images: Path) -> None:
    from PIL import Image

    data = load_data(images)
    assert data.inputs.shape == (6, 4, 6, 3)
    assert data.labels is not None
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]
    pixels = np.asarray(Image.open(images / "dog" / "1.png"))
    assert np.array_equal(data.inputs[3], pixels)
    scaled = load_data(images, "scale=1/255,mean=0.5:0.25:0,std=0.5").inputs[3]
    np.testing.assert_allclose(scaled, (pixels / 255 - [0.5, 0.25, 0]) / 0.5, rtol=1e-6, atol=1e-6)
    assert load_data(images, "resize=8x5,color=gray").inputs.shape == (6, 8, 5, 1)


def test_images_that_differ_in_size_are_to_be_resized(images: Path) -> None:
    from PIL import Image

    Image.new("L", (3, 3)).save(images / "cat" / "small.png")
    with pytest.raises(CalibrationError, match=r"small.png gives 3x3x1, 0.png 4x6x3"):
        load_data(images)
    (images / "cat" / "small.png").write_bytes(b"no image")
    with pytest.raises(CalibrationError, match=r"small.png cannot be read as an image"):
        load_data(images)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_sounds_of_any_width_are_from_minus_one_to_one(tmp_path: Path, width: int) -> None:
    largest = 2 ** (8 * width - 1)
    values = np.array([0, 1, -1, largest - 1, -largest])
    write_sound(tmp_path / "x.wav", values, width)
    heard = read_sound(tmp_path / "x.wav", SoundPreprocess())
    np.testing.assert_allclose(heard[:, 0], values / largest, rtol=1e-6)


def test_channels_of_a_sound_are_averaged_and_its_length_is_kept(tmp_path: Path) -> None:
    write_sound(tmp_path / "x.wav", np.array([[100, 300], [0, -200]]), channels=2)
    heard = read_sound(tmp_path / "x.wav", SoundPreprocess(length=3, scale=2.0**15))
    assert heard[:, 0].tolist() == [200, -100, 0]
    assert read_sound(tmp_path / "x.wav", SoundPreprocess(length=1)).shape == (1, 1)


def test_features_are_those_of_tensorflow() -> None:
    tensorflow = pytest.importorskip(
        "tensorflow", reason="needs TensorFlow: pip install tensorflow"
    )
    signal = tensorflow.signal
    sound = np.random.default_rng(1).uniform(-1, 1, RATE).astype(np.float32)
    words = SoundPreprocess(features=Features.MFCC, frame=400, hop=160, bands=20, high=3800)
    spectrum = tensorflow.abs(signal.stft(sound, 400, 160))
    mel = signal.linear_to_mel_weight_matrix(20, spectrum.shape[-1], RATE, 20.0, 3800.0)
    logs = tensorflow.math.log(tensorflow.matmul(spectrum, mel) + 1e-6)
    expected = signal.mfccs_from_log_mel_spectrograms(logs)[:, :10]
    actual = words.extracted(sound.astype(np.float64), RATE)
    np.testing.assert_allclose(actual[..., 0], expected, atol=2e-3)
    log_mel = SoundPreprocess(features=Features.LOG_MEL, frame=400, hop=160, bands=20, high=3800)
    np.testing.assert_allclose(
        log_mel.extracted(sound.astype(np.float64), RATE)[..., 0], logs, atol=2e-3
    )


def test_words_are_read() -> None:
    words = parse("resize=32x24,scale=1/255,std=0.5:0.4:0.3", ImagePreprocess)
    assert words == ImagePreprocess(scale=1 / 255, std=(0.5, 0.4, 0.3), resize=(32, 24))
    assert parse("", SoundPreprocess) == SoundPreprocess()
    for text, said in (
        ("size=3", "no word 'size'"),
        ("rate=8000", "no word 'rate'"),
        ("resize=32", "resize cannot be '32'"),
        ("std=0", "std cannot be '0'"),
        ("scale=1/0", "scale cannot be '1/0'"),
        ("scale=nan", "scale cannot be 'nan'"),
        ("color=blue", "color cannot be 'blue'"),
        ("color", "color cannot be ''"),
    ):
        with pytest.raises(UsageError, match=said):
            parse(text, ImagePreprocess)


def generator(folder: Path, body: str) -> str:
    (folder / "samples.py").write_text(f"import numpy as np\ndef take():\n    {body}\n")
    return f"{folder / 'samples.py'}:take"


def test_functions_return_or_yield_samples(tmp_path: Path) -> None:
    assert load_data(generator(tmp_path, "return np.ones((3, 2))")).inputs.shape == (3, 2)
    pairs = load_data(generator(tmp_path, "yield from ((np.ones(2), k) for k in range(4))"))
    assert pairs.inputs.shape == (4, 2)
    assert pairs.labels is not None
    assert pairs.labels.tolist() == [0, 1, 2, 3]
    endless = load_data(generator(tmp_path, "while True: yield np.ones(2)"))
    assert endless.inputs.shape == (10_000, 2)
    assert load_data(iter([np.ones(2), np.ones(2)])).inputs.shape == (2, 2)
    assert load_data(np.ones((5, 2))).labels is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise KeyError('x')", "take raised KeyError: 'x'"),
        ("return None", "take raised TypeError"),
        ("yield np.ones(2); yield np.ones(3)", "take raised ValueError: all input arrays must"),
    ],
)
def test_functions_that_fail_are_named(tmp_path: Path, body: str, said: str) -> None:
    with pytest.raises(CalibrationError) as error:
        load_data(generator(tmp_path, body))
    assert said in error.value.what


def test_files_and_folders_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.wav").write_bytes(b"no sound")
    (tmp_path / "x.npz").write_bytes(b"no arrays")
    (tmp_path / "broken.py").write_text("this is no Python")
    (tmp_path / "other.py").write_text("x = 1")
    for source, said in (
        ("empty", "holds neither images nor WAV files"),
        ("bad", "x.wav cannot be read as a WAV file"),
        ("x.npz", "is not a numpy file"),
        ("absent.npz", "cannot read"),
        ("absent.py:f", "there is no file"),
        ("broken.py:f", "broken.py raised SyntaxError"),
        ("other.py:f", "other.py has no function 'f'"),
    ):
        with pytest.raises(CalibrationError) as error:
            load_data(str(tmp_path / source))
        assert said in error.value.what
    write_sound(tmp_path / "bad" / "x.wav", np.arange(100))
    for words, said in (
        ("rate=16000", "8000 samples a second, not 16000"),
        ("features=mfcc", "a sound has 100 samples, a frame 640"),
        ("features=mfcc,frame=50,high=8000", "the sound from 0 to 4000 Hz"),
        ("mean=1:2", "mean or std has 2 values, there are 1 channels"),
    ):
        with pytest.raises(UsageError) as usage:
            load_data(tmp_path / "bad", words)
        assert said in usage.value.what
    with pytest.raises(UsageError, match="nothing to preprocess"):
        load_data(tmp_path / "x.npz", "scale=2")


def test_axes_of_length_one_may_lie_elsewhere() -> None:
    assert check_samples(np.zeros((3, 512, 1)), (512, 1, 1)).shape == (3, 512, 1, 1)
    with pytest.raises(CalibrationError):
        check_samples(np.zeros((3, 10, 49)), (49, 10, 1))


def test_every_fourth_sample_is_held_out_with_its_label() -> None:
    def pairs() -> Any:
        return ((np.full(2, k), k) for k in range(8))

    kept, held = hold_out(load_data(pairs))
    assert held.labels is not None
    assert kept.labels is not None
    assert held.labels.tolist() == [3, 7]
    assert kept.labels.tolist() == kept.inputs[:, 0].tolist() == [0, 1, 2, 4, 5, 6]


@pytest.mark.parametrize(
    ("source", "said"),
    [("empty", "holds neither"), ("constant.npz", "all calibration data are 1")],
)
def test_bad_data_end_the_command_with_a_code_of_their_own(
    tmp_path: Path, source: str, said: str
) -> None:
    keras = pytest.importorskip("keras", reason="needs Keras: pip install tensorflow")
    (tmp_path / "empty").mkdir()
    np.savez(tmp_path / "constant.npz", inputs=np.ones((20, 4)))
    inputs = keras.Input((4,))
    keras.Model(inputs, keras.layers.Dense(2)(inputs)).save(tmp_path / "x.keras")
    command = [sys.executable, "-m", "tinyaiot", "quantize", "x.keras", "-o", "x.tflite"]
    result = subprocess.run(
        [*command, "--data", source], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 10
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 2
    assert not (tmp_path / "x.tflite").exists()
