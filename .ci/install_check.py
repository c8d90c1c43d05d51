"""Installs what lies in dist as users do: into empty environments, with what it asks for from the
package index, away from the checkout and from what else this machine's user has.

`make release-check` runs it last, and it ends with what no check here can do.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
TWINE = "twine==7.0.0"
LEAST_ACCURACY = 0.95


def main() -> None:
    (sdist,) = (ROOT / "dist").glob("sparktf-*.tar.gz")
    (wheel,) = (ROOT / "dist").glob("sparktf-*.whl")
    version = wheel.name.split("-")[1]
    with tempfile.TemporaryDirectory(prefix="sparktf-release-") as name:
        folder = Path(name).resolve()
        check_metadata(folder / "twine", [wheel, sdist])
        check_sdist(folder / "sdist", sdist, version)
        check_wheel(folder / "wheel", wheel, version)
    print_the_rest(version)


def check_metadata(folder: Path, packages: Sequence[Path]) -> None:
    step("twine looks at the metadata, and at the README as PyPI shows it")
    twine = Environment(folder, TWINE)
    twine.run("twine", "check", "--strict", *map(str, packages))


def check_sdist(folder: Path, sdist: Path, version: str) -> None:
    step("The sdist alone, which pip makes a wheel of: it imports, and has both jars")
    user = Environment(folder, str(sdist))
    code = "import sparktf; print(sparktf.__version__, *map(sparktf.jar_path, ('2.12', '2.13')))"
    found, *jars = user.run("python", "-c", code).split()
    expect(found == version, f"sparktf.__version__ is {found}, not {version}")
    for jar in jars:
        inside = Path(jar).is_relative_to(folder) and jar.endswith(f"-{version}.jar")
        expect(inside and Path(jar).is_file(), f"sparktf.jar_path() is {jar}")
    told = user.run("sparktf", "--version", code=1)
    expect("pip install 'sparktf[cli]'" in told, f"without its packages the command says {told!r}")


def check_wheel(folder: Path, wheel: Path, version: str) -> None:
    step("The wheel with what it asks for (a gigabyte)")
    user = Environment(folder, f"{wheel}[cli,spark,tensorflow,examples]")
    told = user.run("sparktf", "--version").strip()
    expect(told == f"sparktf {version}", f"sparktf --version says {told!r}")
    where = user.run("python", "-c", "import sparktf; print(sparktf.__file__)").strip()
    expect(Path(where).is_relative_to(folder), f"it imports sparktf from {where}")

    step("sparktf demo")
    printed = user.run("sparktf", "demo")
    left = [path.name for path in user.work.iterdir()]
    expect(left == ["quickstart-output"], f"it left {left} in the folder that it ran in")
    output = user.work / "quickstart-output"
    width, height = size_of_png(output / "quickstart.png")
    expect(min(width, height) >= 500, f"quickstart.png has {width} x {height} pixels")
    accuracy = json.loads((output / "metrics.json").read_text())["accuracy"]
    expect(LEAST_ACCURACY <= accuracy <= 1, f"accuracy {accuracy}")
    expect(f"accuracy {accuracy:.4f}: " in printed, f"it printed no accuracy:\n{printed}")
    print(f"  accuracy {accuracy:.4f}, a picture of {width} x {height} pixels")


class Environment:
    """A virtual environment with these packages, and a user of it who has nothing else."""

    def __init__(self, folder: Path, *packages: str) -> None:
        self.work = folder / "work"
        self.home = folder / "home"
        self.bin = folder / "venv" / "bin"
        for made in (self.work, self.home):
            made.mkdir(parents=True)
        venv.create(folder / "venv", with_pip=True)
        # The user's own settings of pip say where the package index is.
        settings = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        for command in (["install", *packages], ["check"]):
            self._run(["python", "-m", "pip", *command], settings, 0)

    def run(self, *command: str, code: int = 0) -> str:
        """What the command prints, that ends with this code."""
        java = shutil.which("java")
        if java is None:
            sys.exit("JDK 17 is needed, and there is no `java`")
        path = [str(self.bin), str(Path(java).parent), "/usr/bin", "/bin"]
        kept = {name: os.environ[name] for name in ("JAVA_HOME", "LANG") if name in os.environ}
        return self._run(command, {"HOME": str(self.home), "PATH": ":".join(path)} | kept, code)

    def _run(self, command: Sequence[str], environment: dict[str, str], code: int) -> str:
        done = subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            cwd=self.work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        last = "\n".join(done.stdout.splitlines()[-60:])
        expect(
            done.returncode == code, f"{' '.join(command)} ended with {done.returncode}:\n{last}"
        )
        return done.stdout


def size_of_png(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    expect(head.startswith(b"\x89PNG\r\n\x1a\n"), f"{path} is no PNG")
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def print_the_rest(version: str) -> None:
    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout

    changelog = (ROOT / "CHANGELOG.md").read_text()
    print(
        f"\nsparktf {version} is built: dist and target/m2/io/github/sparktf have what to publish."
    )
    print("Still to do, for no check here can (CONTRIBUTING.md, Releasing):")
    if git("status", "--porcelain"):
        print("  - commit: files differ from the last commit, and so may what was built")
    if f"## {version}, not yet released" in changelog:
        print("  - date the entry of CHANGELOG.md")
    if f"v{version}" not in git("tag", "--points-at", "HEAD").split():
        print(f"  - tag this commit v{version}")
    if not re.search(r"^## \S+, \d{4}-", changelog.replace(f"## {version},", ""), re.M):
        print("  - nothing was compared with an earlier release: there is none")
    print("  - sign the Maven packages; upload them, and the wheel and the sdist")


def step(what: str) -> None:
    print(f"{what} …", flush=True)


def expect(holds: bool, what: str) -> None:
    if not holds:
        sys.exit(f"release-check: {what}")


if __name__ == "__main__":
    main()
