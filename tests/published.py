"""The files of a release as tests and the release's own check find them, and a user of them."""

import os
import re
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
VERSION = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M)[1]
POM = "{http://maven.apache.org/POM/4.0.0}"
MODULES = ("tfrecord", "savedmodel")
SCALAS = ("2.12", "2.13")


_REPOSITORY = ROOT / "target" / "m2"


class MavenPackage:
    """A Maven package in target/m2."""

    def __init__(self, module, scala):
        self.module = module
        self.scala = scala
        self.name = f"sparktf-{module}_{scala}"
        self.folder = _REPOSITORY / "io/github/sparktf" / self.name / VERSION
        self.jar = self.file(".jar")
        self.sources = ROOT / "jvm" / module / "src" / "main"

    def file(self, ending):
        return self.folder / f"{self.name}-{VERSION}{ending}"

    def pom(self):
        return ElementTree.parse(self.file(".pom")).getroot()


def users_environment(folder, spark_home, properties=()):
    """The environment of Spark's programs for a user whose home is in `folder` and whose local
    Maven repository is target/m2, with these properties of Java."""
    home = folder / "home"
    (home / ".m2").mkdir(parents=True)
    (home / ".m2" / "repository").symlink_to(_REPOSITORY)
    options = {"user.home": home, **dict(properties)}
    # With SPARK_TESTING Spark looks for the repository elsewhere.
    left_out = ("PYSPARK_SUBMIT_ARGS", "SPARK_TESTING", "PYSPARK_DRIVER_PYTHON")
    return {name: value for name, value in os.environ.items() if name not in left_out} | {
        "SPARK_HOME": str(spark_home),
        "SPARK_SUBMIT_OPTS": " ".join(
            [
                os.environ["SPARK_SUBMIT_OPTS"],
                *(f"-D{key}={value}" for key, value in options.items()),
            ]
        ),
        "PYSPARK_PYTHON": sys.executable,
    }


def jar_in_wheel(scala):
    """The data source's jar, where `make jars` puts it and the wheel has it from."""
    return ROOT / "python" / "sparktf" / "jars" / f"sparktf-tfrecord_{scala}-{VERSION}.jar"


def content_of(archive):
    """The files of a jar or a wheel by their names."""
    with zipfile.ZipFile(archive) as files:
        names = [name for name in files.namelist() if not name.endswith("/")]
        assert len(names) == len(set(names)), f"{archive} holds a file twice"
        return {name: files.read(name) for name in names}


def differences(found, expected):
    """What two folders or archives, as `content_of` gives them, do not have in common."""
    return (
        [f"{name} is missing" for name in sorted(expected.keys() - found.keys())]
        + [f"{name} is too much" for name in sorted(found.keys() - expected.keys())]
        + [
            f"{name} is another"
            for name in sorted(found.keys() & expected.keys())
            if found[name] != expected[name]
        ]
    )


def install_lines(pattern):
    """What the pattern's group matches where users read what to install, or copy it from; each with
    its place."""
    examples = (ROOT / "examples").rglob("*")
    texts = [
        ROOT / "README.md",
        *(ROOT / "docs").rglob("*.md"),
        *(path for path in examples if path.suffix in (".md", ".py", ".scala")),
        *(ROOT / "python" / "sparktf").rglob("*.py"),
    ]
    return [
        (f"{path.relative_to(ROOT)}:{number}", match)
        for path in sorted(texts)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for match in re.findall(pattern, line)
    ]
