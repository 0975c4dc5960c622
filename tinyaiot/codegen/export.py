"""Models as a library for other build systems: plain CMake, Zephyr, ESP-IDF, Arduino.

What a program includes and calls is the same everywhere: ``NAME.h``, ``NAME_run``. Each export
has an example that runs the first model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import PurePosixPath
from typing import Any

from tinyaiot.codegen.model import ModelSources
from tinyaiot.codegen.project import MANIFEST, Sources
from tinyaiot.codegen.templates import render


class Format(str, Enum):
    """What takes the export."""

    CMAKE = "cmake"
    ZEPHYR = "zephyr"
    ESP_IDF = "esp-idf"
    ARDUINO = "arduino"


# By format, the files beside the model's own, each from the template of its name.
_TEMPLATES: Mapping[Format, Mapping[str, str]] = {
    Format.CMAKE: {
        "CMakeLists.txt": "export/cmake.txt.j2",
        "example/CMakeLists.txt": "export/cmake_example.txt.j2",
        "example/main.c": "export/example.c.j2",
    },
    Format.ZEPHYR: {
        "zephyr/module.yml": "export/zephyr_module.yml.j2",
        "zephyr/CMakeLists.txt": "export/zephyr.txt.j2",
        "zephyr/Kconfig": "export/zephyr_kconfig.j2",
        "example/CMakeLists.txt": "export/zephyr_example.txt.j2",
        "example/prj.conf": "export/zephyr_prj.conf.j2",
        "example/src/main.c": "export/example.c.j2",
    },
    Format.ESP_IDF: {
        "CMakeLists.txt": "export/esp_idf.txt.j2",
        "example/CMakeLists.txt": "export/esp_idf_example.txt.j2",
        "example/main/CMakeLists.txt": "export/esp_idf_main.txt.j2",
        "example/main/main.c": "export/example.c.j2",
    },
    Format.ARDUINO: {
        "library.properties": "export/arduino.properties.j2",
        "examples/{name}/{name}.ino": "export/arduino.ino.j2",
    },
}


def export_models(models: Sequence[ModelSources], target: Format, board_id: str) -> Sources:
    """The models' C with what ``target`` needs to build it, and an example.

    Args:
        board_id: for whose core and memories the models are planned.
    """
    name = models[0].name
    own = {path: content for model in models for path, content in model.files.items()}
    if target is Format.ARDUINO:
        # Of an Arduino library only the folder src is on the compiler's path for headers.
        own = {f"src/{PurePosixPath(path).name}": content for path, content in own.items()}
    context = _context(models, target, board_id, own)
    files = own | {
        path.format(name=name): render(template, context)
        for path, template in _TEMPLATES[target].items()
    }
    document = {"format": target.value, "board": board_id, "models": [m.name for m in models]}
    files["README.md"] = render("export/README.md.j2", context)
    files[MANIFEST] = (json.dumps(document, indent=2) + "\n").encode("utf-8")
    return Sources(dict(sorted(files.items())))


def _context(
    models: Sequence[ModelSources], target: Format, board_id: str, own: Mapping[str, bytes]
) -> dict[str, Any]:
    return {
        "model": models[0],
        "models": models,
        "format": target.value,
        "board_id": board_id,
        "library": f"tinyaiot_{models[0].name}",
        "c_sources": sorted(path for path in own if path.endswith(".c")),
    }
