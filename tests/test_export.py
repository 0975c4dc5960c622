"""Libraries for other build systems: as far as those can be had here, built and run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.support import arduino
from tests.support.handmade import DIGITS
from tinyaiot import cli, oracle
from tinyaiot.codegen.export import Format
from tinyaiot.frontends import load

needs_cmake = pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")


def export(target: Format, folder: Path, board: str = "host") -> Path:
    command = ["generate", str(DIGITS), "--board", board, "--format", target.value, "-q"]
    assert cli.run([*command, "-o", str(folder)]) == 0
    return folder


def run(*command: object, **variables: str) -> str:
    done = subprocess.run(
        list(map(str, command)),
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def expected() -> list[int]:
    model = load(DIGITS)
    inputs = [np.arange(64, dtype=np.int8).reshape(model.graph.inputs[0].shape)]
    values = oracle.run(model.data, model.graph, inputs).outputs[0]
    return [int(value) for value in values.reshape(-1)]


def printed(program: Path) -> list[int]:
    return list(map(int, run(program).split()))


@needs_cmake
def test_cmake_example_prints_tflms_outputs(tmp_path: Path) -> None:
    library = export(Format.CMAKE, tmp_path / "digits")
    run("cmake", "-S", library / "example", "-B", tmp_path / "build")
    run("cmake", "--build", tmp_path / "build", "-j2")
    assert printed(tmp_path / "build/example") == expected()


# What Zephyr's functions do, as far as a module with one library can tell.
ZEPHYR_STAND_IN = """\
set(CONFIG_TINYAIOT_DIGITS y)
enable_language(C)
add_executable(app)
macro(zephyr_include_directories)
  foreach(folder ${ARGV})
    include_directories(${CMAKE_CURRENT_SOURCE_DIR}/${folder})
    target_include_directories(app PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/${folder})
  endforeach()
endmacro()
macro(zephyr_library_named name)
  set(ZEPHYR_CURRENT_LIBRARY ${name})
  add_library(${name} STATIC)
  target_link_libraries(app PRIVATE ${name})
endmacro()
macro(zephyr_library_compile_options)
  target_compile_options(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGV})
endmacro()
macro(zephyr_library_sources)
  target_sources(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGV})
endmacro()
foreach(module ${ZEPHYR_EXTRA_MODULES})
  add_subdirectory(${module}/zephyr ${CMAKE_BINARY_DIR}/module)
endforeach()
"""


@needs_cmake
def test_zephyr_module_with_stand_ins_of_zephyrs_functions(tmp_path: Path) -> None:
    module = export(Format.ZEPHYR, tmp_path / "digits")
    assert "cmake: zephyr" in (module / "zephyr/module.yml").read_text()
    package = tmp_path / "zephyr"
    package.mkdir()
    (package / "ZephyrConfig.cmake").write_text(ZEPHYR_STAND_IN)
    build = tmp_path / "build"
    run("cmake", "-S", module / "example", "-B", build, f"-DZephyr_DIR={package}")
    run("cmake", "--build", build, "-j2")
    assert printed(build / "app") == expected()


# What ESP-IDF's project.cmake does, as far as two components can tell.
ESP_IDF_STAND_IN = """\
macro(idf_component_register)
  cmake_parse_arguments(ARG "" "" "SRCS;INCLUDE_DIRS;REQUIRES" ${ARGV})
  get_filename_component(COMPONENT_LIB ${CMAKE_CURRENT_SOURCE_DIR} NAME)
  add_library(${COMPONENT_LIB} STATIC ${ARG_SRCS})
  target_include_directories(${COMPONENT_LIB} PUBLIC ${ARG_INCLUDE_DIRS})
  target_link_libraries(${COMPONENT_LIB} PUBLIC ${ARG_REQUIRES})
endmacro()
macro(project name)
  _project(${name} C)
  foreach(component ${EXTRA_COMPONENT_DIRS})
    add_subdirectory(${component} ${CMAKE_BINARY_DIR}/component)
  endforeach()
  add_subdirectory(main)
  file(WRITE ${CMAKE_BINARY_DIR}/start.c
    "void app_main(void); int main(void) { app_main(); return 0; }")
  add_executable(app ${CMAKE_BINARY_DIR}/start.c)
  target_link_libraries(app main)
endmacro()
"""


@needs_cmake
def test_esp_idf_component_with_stand_ins_of_esp_idfs_functions(tmp_path: Path) -> None:
    component = export(Format.ESP_IDF, tmp_path / "digits")
    folder = tmp_path / "idf/tools/cmake"
    folder.mkdir(parents=True)
    (folder / "project.cmake").write_text(ESP_IDF_STAND_IN)
    build = tmp_path / "build"
    run("cmake", "-S", component / "example", "-B", build, IDF_PATH=str(tmp_path / "idf"))
    run("cmake", "--build", build, "-j2")
    assert printed(build / "app") == expected()


@pytest.mark.skipif(arduino.missing() is not None, reason=arduino.missing() or "")
def test_arduino_library_and_sketch_run_with_a_real_core(tmp_path: Path) -> None:
    (tmp_path / "tiny.tflite").write_bytes(arduino.tiny_model())
    library = tmp_path / "library"
    command = ["generate", str(tmp_path / "tiny.tflite"), "--board", "megaatmega2560"]
    assert cli.run([*command, "--format", "arduino", "-o", str(library), "-q"]) == 0
    assert "includes=tiny.h" in (library / "library.properties").read_text()
    # As Arduino's builder does it: the sketch becomes C++ that includes its core's header.
    sketch = library / "sketch"
    sketch.mkdir()
    text = (library / "examples/tiny/tiny.ino").read_text()
    (sketch / "tiny.cpp").write_text(f"#include <Arduino.h>\n{text}")
    said = arduino.printed(arduino.build_folders(library, ("src", "sketch")), "-")
    model = load(tmp_path / "tiny.tflite")
    inputs = [np.arange(12, dtype=np.int8).reshape(1, 12)]
    outputs = oracle.run(model.data, model.graph, inputs).outputs[0].reshape(-1)
    assert [int(word) for word in said.split()] == outputs.tolist()


@pytest.mark.parametrize("target", Format, ids=lambda target: target.value)
def test_same_bytes_each_time(target: Format, tmp_path: Path) -> None:
    def contents(folder: Path) -> dict[str, bytes]:
        files = (path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    first = contents(export(target, tmp_path / "one", "nano33ble"))
    assert first == contents(export(target, tmp_path / "two", "nano33ble"))
    assert "README.md" in first
