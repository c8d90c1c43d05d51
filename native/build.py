"""Compiles the library of records.c and tensorflow.c for each platform that has one.

    .venv/bin/python native/build.py

They are loaded by `sparktf.records.native` from python/sparktf/native/PLATFORM, and travel in the
wheel. Zig's C compiler makes all of them on any machine: it carries the C libraries' interfaces.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
INTO = HERE.parent / "python" / "sparktf" / "native"
CACHE = HERE.parent / ".tools" / "zig"
# As `sparktf.records.native` names them. glibc 2.17 is below that of all TensorFlows.
PLATFORMS = {
    "linux-x86_64": ("x86_64-linux-gnu.2.17", "libsparktf.so"),
    "linux-aarch64": ("aarch64-linux-gnu.2.17", "libsparktf.so"),
    "macos-x86_64": ("x86_64-macos.11.0", "libsparktf.dylib"),
    "macos-arm64": ("aarch64-macos.11.0", "libsparktf.dylib"),
}
# Zig would make undefined behaviour a trap, for which it asks for a runtime; the tests look for it.
FLAGS = [
    "-O3",
    "-s",
    "-shared",
    "-fPIC",
    "-fvisibility=hidden",
    "-fno-sanitize=all",
    "-Wall",
    "-Wextra",
    "-Werror",
]


def compile_for(platform: str) -> None:
    target, name = PLATFORMS[platform]
    into = INTO / platform
    into.mkdir(parents=True, exist_ok=True)
    sources = sorted(map(str, HERE.glob("*.c")))
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target, *FLAGS]
    caches = {f"ZIG_{which}_CACHE_DIR": str(CACHE) for which in ("GLOBAL", "LOCAL")}
    subprocess.run([*command, "-o", into / name, *sources], check=True, env=os.environ | caches)
    for other in into.iterdir():  # such as an import library
        if other.name != name:
            other.unlink()


def main() -> None:
    with ThreadPoolExecutor() as threads:
        list(threads.map(compile_for, PLATFORMS))


if __name__ == "__main__":
    main()
