"""A slow disk: 2 ms more for every fsync and fdatasync of a process, by a library put before it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

MS: Final = 2

SOURCE: Final = f"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static int slowly(const char *name, int fd) {{
    struct timespec more = {{0, {MS}000000}};
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    nanosleep(&more, 0);
    return real(fd);
}}

int fsync(int fd) {{ return slowly("fsync", fd); }}
int fdatasync(int fd) {{ return slowly("fdatasync", fd); }}
"""


class NoCompiler(RuntimeError):
    """There is nothing here to build the library with."""


def built(folder: Path) -> Path:
    """Build it there, for LD_PRELOAD. Raises NoCompiler, CalledProcessError."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise NoCompiler("the slow disk needs a C compiler (apt install gcc libc6-dev)")
    source, made = folder / "slow.c", folder / "slow.so"
    source.write_text(SOURCE)
    words = [compiler, "-shared", "-fPIC", "-O1", "-o", str(made), str(source), "-ldl"]
    subprocess.run(words, check=True, capture_output=True, text=True)
    return made
