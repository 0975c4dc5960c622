# SPDX-License-Identifier: Apache-2.0
"""Builds the project as its Makefile does: same compiler, flags and files.

What differs between boards is in ``boards/*.json``; the compiler has to be on PATH.
"""

from SCons.Script import Builder, Default, DefaultEnvironment

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
    CCFLAGS=build["flags"],
    LINKFLAGS=build["link_flags"],
)
for folders, optimize in (
    (("model", "kernels"), build["fast_flags"]),
    (("harness", "port"), build["small_flags"]),
):
    part = env.Clone()
    part.Append(CCFLAGS=optimize)
    for folder in folders:
        part.BuildSources(f"$BUILD_DIR/{folder}", f"$PROJECT_DIR/{folder}")

program = env.BuildProgram()
if build["program_suffix"]:
    env.Append(
        BUILDERS={
            "ElfToBin": Builder(
                action=env.VerboseAction("$OBJCOPY -O binary $SOURCE $TARGET", "Building $TARGET"),
                suffix=".bin",
            )
        }
    )
    Default(env.ElfToBin("$BUILD_DIR/${PROGNAME}", program))
else:
    Default(program)
