# SPDX-License-Identifier: Apache-2.0
"""For a chip without a framework: the flags of the core reach the linker too.

PlatformIO gives the linker no more than the CPU's name, and its C library would come with
start-up code of its own.
"""

from SCons.Script import DefaultEnvironment

env = DefaultEnvironment()
words = " ".join(env.Flatten([env.get("BUILD_FLAGS", [])])).split()
env.Append(LINKFLAGS=["-nostartfiles", *(word for word in words if word.startswith("-m"))])
