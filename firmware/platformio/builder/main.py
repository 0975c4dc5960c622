# SPDX-License-Identifier: Apache-2.0
"""Builds the project as its Makefile does: same compiler, flags, files and order.

What differs between boards is in ``boards/*.json``; the compiler has to be on PATH.
"""

from pathlib import Path

from SCons.Script import AlwaysBuild, Builder, Default, DefaultEnvironment

env = DefaultEnvironment()
build = env.BoardConfig().get("build")
cross = build["cross"]

env.Replace(
    AR=f"{cross}ar",
    CC=f"{cross}gcc",
    LINK=f"{cross}gcc",
    OBJCOPY=f"{cross}objcopy",
    RANLIB=f"{cross}ranlib",
    SIZETOOL=f"{cross}size",
    SIZECHECKCMD="$SIZETOOL -A -d $SOURCES",
    SIZEPRINTCMD="$SIZETOOL $SOURCES",
    SIZEPROGREGEXP=r"^(?:\.text|\.ARM\.exidx|\.data)\s+(\d+).*",
    SIZEDATAREGEXP=r"^(?:\.data|\.bss|\.arena_\w+)\s+(\d+).*",
    PROGNAME="firmware",
    PROGSUFFIX=build["program_suffix"],
)
env.Append(
    CPPDEFINES=build["defines"],
    CPPPATH=[f"$PROJECT_DIR/{folder}" for folder in build["include_folders"]],
    CFLAGS=["-std=c99"],
    CCFLAGS=[*build["flags"], "-ffile-prefix-map=$PROJECT_DIR=."],
    LINKFLAGS=build["link_flags"],
)
# A test has a main of its own.
harness = [] if "PIOTEST_RUNNING_NAME" in env else ["harness"]
for folders, optimize in (
    (["kernels", "model"], build["fast_flags"]),
    ([*harness, build["port"]], build["small_flags"]),
):
    part = env.Clone()
    part.Append(CCFLAGS=optimize)
    for folder in folders:
        part.BuildSources(f"$BUILD_DIR/{folder}", f"$PROJECT_DIR/{folder}")

program = env.BuildProgram()
image = program
if build["program_suffix"]:
    env.Append(
        BUILDERS={
            "ElfToBin": Builder(
                action=env.VerboseAction("$OBJCOPY -O binary $SOURCE $TARGET", "Building $TARGET"),
                suffix=".bin",
            )
        }
    )
    image = env.ElfToBin("$BUILD_DIR/${PROGNAME}", program)
Default(image)

if build["emulator"]:
    script = Path(env.PioPlatform().get_dir()) / "emulate.py"
    emulate = f'"$PYTHONEXE" "{script}"'
    port = env.GetProjectOption("upload_port").rpartition(":")[2]
    command = " ".join(f'"{word}"' for word in build["emulator"])
    AlwaysBuild(
        env.Alias(
            "upload",
            [program, image],
            env.VerboseAction(
                f'{emulate} start "$BUILD_DIR" {port} {command} -kernel "$SOURCE"',
                "Starting $SOURCE in the emulator",
            ),
        )
    )
    env.AddCustomTarget(
        "stop", None, f'{emulate} stop "$BUILD_DIR"', "Stop", "Ends the emulated board"
    )
