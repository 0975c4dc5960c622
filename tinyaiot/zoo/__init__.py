"""Small networks as they were published, built in Keras with weights drawn at random.

They have the shapes of the usual benchmarks, so that anyone can plan, generate and count without
files from elsewhere; trained, they are a start for models of one's own. Keras is imported when a
network is built, and not before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tinyaiot.errors import UsageError
from tinyaiot.zoo.autoencoder import autoencoder
from tinyaiot.zoo.detector import detector
from tinyaiot.zoo.ds_cnn import ds_cnn
from tinyaiot.zoo.mobilenet_v1 import mobilenet_v1
from tinyaiot.zoo.mobilenet_v2 import mobilenet_v2
from tinyaiot.zoo.resnet_8 import resnet_8
from tinyaiot.zoo.wake_word import wake_word

__all__ = [
    "NETWORKS",
    "Network",
    "autoencoder",
    "build",
    "detector",
    "ds_cnn",
    "mobilenet_v1",
    "mobilenet_v2",
    "resnet_8",
    "wake_word",
]


@dataclass(frozen=True)
class Network:
    """A network of the zoo, as it was published.

    Attributes:
        build: makes it, with the published sizes as defaults; returns a ``keras.Model``.
        purpose: what it was published for.
        source: where it is described.
        macs: multiply-accumulates of one inference at the published sizes.
    """

    build: Callable[..., Any]
    purpose: str
    source: str
    macs: int


NETWORKS: Mapping[str, Network] = MappingProxyType(
    {
        "autoencoder": Network(
            autoencoder,
            "anomalies in the sound of machines",
            "MLPerf Tiny (Banbury et al. 2021), after the baseline of DCASE 2020 task 2",
            264_192,
        ),
        "detector": Network(
            detector,
            "boxes of objects at two scales",
            "SSDLite heads (Sandler et al. 2018) on a feature pyramid (Lin et al. 2017)",
            6_725_952,
        ),
        "ds_cnn": Network(
            ds_cnn,
            "keyword spotting",
            "DS-CNN-S of Hello Edge (Zhang et al. 2017), as in MLPerf Tiny",
            2_656_768,
        ),
        "mobilenet_v1": Network(
            mobilenet_v1,
            "visual wake words",
            "MobileNets (Howard et al. 2017) at 0.25 and 96x96, as in MLPerf Tiny",
            7_489_664,
        ),
        "mobilenet_v2": Network(
            mobilenet_v2,
            "classification of images",
            "MobileNetV2 (Sandler et al. 2018) at 0.35 and 96x96",
            11_934_128,
        ),
        "resnet_8": Network(
            resnet_8,
            "classification of CIFAR-10",
            "MLPerf Tiny, after ResNet (He et al. 2015)",
            12_501_632,
        ),
        "wake_word": Network(
            wake_word,
            "a wake word in a stream of sound",
            "MLPerf Tiny 1.3, streaming wake word",
            826_368,
        ),
    }
)


def build(name: str, **sizes: Any) -> Any:
    """The network of that name; ``sizes`` go to its function, see there.

    Returns:
        a ``keras.Model``, its weights drawn from Keras' own generator: call
        ``keras.utils.set_random_seed`` first to have the same again.

    Raises:
        UsageError: there is no such network, or Keras is not installed.
    """
    if name not in NETWORKS:
        raise UsageError(f"the zoo has no network {name!r}", f"take one of: {', '.join(NETWORKS)}")
    return NETWORKS[name].build(**sizes)
