"""The version that a release has everywhere, and its wheel and sdist: those in the folder that
`$SPARKTF_DIST` names, or new ones."""

import email
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from published import (
    ROOT,
    SCALAS,
    VERSION,
    content_of,
    differences,
    install_lines,
    jar_in_wheel,
)

pytestmark = pytest.mark.one_spark

_PYTHON = ROOT / "python" / "sparktf"


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """The folder with the wheel and the sdist."""
    if "SPARKTF_DIST" in os.environ:
        return Path(os.environ["SPARKTF_DIST"]).absolute()
    return _build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def wheel(dist):
    return content_of(dist / f"sparktf-{VERSION}-py3-none-any.whl")


@pytest.fixture(scope="module")
def metadata(wheel):
    return email.message_from_string(wheel[f"sparktf-{VERSION}.dist-info/METADATA"].decode())


def _build(folder, into, *arguments):
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(into), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return into


def test_the_changelog_begins_with_this_version_and_dates_the_others():
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    date = r"\d{4}-\d\d-\d\d"
    assert re.fullmatch(rf"{re.escape(VERSION)}, (not yet released|{date})", headings[0])
    # build.sbt takes them for the releases.
    assert [
        line for line in headings[1:] if not re.fullmatch(rf"\d+\.\d+\.\d+, {date}", line)
    ] == []


def test_install_lines_name_this_version():
    versions = install_lines(r"io\.github\.sparktf:sparktf-[\w.]+:([\w.-]*\w)")
    assert any(place.startswith("README.md") for place, _ in versions)
    assert [found for found in versions if found[1] != VERSION] == []


def test_packages_go_where_the_user_says_and_with_javadoc_for_a_release():
    def properties(*arguments):
        command = ["make", "--dry-run", *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        (line,) = (line for line in done.stdout.splitlines() if "publishM2" in line)
        return set(re.findall(r"-D((?:maven|sparktf)\S+)", line))

    assert properties("sbt", "CMD=publishM2") == set()
    assert properties("sbt", "CMD=publishM2", "MAVEN_REPOSITORY=target/a") == {
        f"maven.repo.local={ROOT / 'target' / 'a'}"
    }
    own = f"maven.repo.local={ROOT / 'target' / 'm2'}"
    assert properties("repository") == {own}
    assert properties("release-check") == {own, "sparktf.release=true"}


def test_the_command_tells_the_version():
    command = [sys.executable, "-c", "from sparktf.cli.commands import main; main()", "--version"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.split()[-1] == VERSION, done.stderr


def test_the_wheel_holds_the_package_its_jars_its_libraries_and_the_demo(wheel):
    expected = {
        f"sparktf/{path.relative_to(_PYTHON).as_posix()}": path.read_bytes()
        for path in [*_PYTHON.rglob("*.py"), _PYTHON / "py.typed"]
    }
    for path in (ROOT / "examples").glob("quickstart*.py"):
        expected[f"sparktf/_demo/{path.name}"] = path.read_bytes()
    for scala in SCALAS:
        jar = jar_in_wheel(scala)
        expected[f"sparktf/jars/{jar.name}"] = jar.read_bytes()
    libraries = [path for path in (_PYTHON / "native").rglob("*") if path.is_file()]
    assert len(libraries) == 4
    for path in libraries:
        expected[f"sparktf/{path.relative_to(_PYTHON).as_posix()}"] = path.read_bytes()
    about = f"sparktf-{VERSION}.dist-info/"
    found = {name: wheel[name] for name in wheel if not name.startswith(about)}
    assert differences(found, expected) == []
    assert wheel[f"{about}licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    assert wheel[f"{about}entry_points.txt"].decode().split("\n")[:2] == [
        "[console_scripts]",
        "sparktf = sparktf.cli.commands:main",
    ]


def test_the_wheels_metadata_are_those_of_the_project(metadata):
    assert (metadata["Name"], metadata["Version"]) == ("sparktf", VERSION)
    assert (metadata["License-Expression"], metadata["License-File"]) == ("Apache-2.0", "LICENSE")
    assert metadata["Requires-Python"] == ">=3.10"
    # No dependency without an extra: a cluster has its own Spark.
    assert all("; extra ==" in line for line in metadata.get_all("Requires-Dist"))
    pythons = [re.search(r"Python :: (3\.\d+)$", line) for line in metadata.get_all("Classifier")]
    assert [found[1] for found in pythons if found] == ["3.10", "3.11", "3.12", "3.13"]
    assert {line.split(", ")[0] for line in metadata.get_all("Project-URL")} >= {
        "Source",
        "Changelog",
    }


def test_extras_that_users_are_told_of_are_there(metadata):
    extras = set(metadata.get_all("Provides-Extra"))
    told = install_lines(r"sparktf\[([\w,-]+)\]")
    assert len(told) > 2
    assert [(place, names) for place, names in told if not set(names.split(",")) <= extras] == []


def test_keras_is_of_the_versions_that_several_workers_are_tested_with(metadata):
    from sparktf.training.process import keras_patches

    (oldest, newest) = keras_patches._TESTED
    wanted = f"keras<{newest[0]}.{newest[1] + 1},>={oldest[0]}.{oldest[1]}; extra == 'tensorflow'"
    assert wanted in metadata.get_all("Requires-Dist")


def test_the_readme_on_pypi_links_to_files_of_this_version_at_github(metadata):
    assert metadata["Description-Content-Type"] == "text/markdown"
    link, code = re.compile(r"(!?)\[[^]]*\]\(([^)\s]+)\)"), re.compile(r"(?ms)^```.*?^```")
    readme, description = (ROOT / "README.md").read_text(), metadata.get_payload()
    assert code.findall(description) == code.findall(readme)
    links = link.findall(code.sub("", readme))
    assert len(links) > 5
    expected = []
    for image, address in links:
        if not address.startswith(("https://", "#")):
            assert (ROOT / address.partition("#")[0]).exists(), address
            github, blob = ("raw.githubusercontent", "") if image else ("github", "blob/")
            address = f"https://{github}.com/sparktf/sparktf/{blob}v{VERSION}/{address}"
        expected.append((image, address))
    assert link.findall(code.sub("", description)) == expected


def test_the_sdist_makes_the_same_wheel(dist, wheel, tmp_path):
    with tarfile.open(dist / f"sparktf-{VERSION}.tar.gz") as files:
        # Not the argument `filter`, which the first releases of Python 3.10 and 3.11 do not have.
        files.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        files.extractall(tmp_path)
    folder = tmp_path / f"sparktf-{VERSION}"
    assert {path.name for path in folder.iterdir()} == {
        *("PKG-INFO", "pyproject.toml", "hatch_build.py", ".gitignore"),
        *("README.md", "CHANGELOG.md", "LICENSE", "python", "examples", "tests"),
    }
    built = _build(folder, tmp_path / "dist", "-t", "wheel")
    again = content_of(built / f"sparktf-{VERSION}-py3-none-any.whl")
    assert differences(again, wheel) == []


def test_no_package_is_built_without_the_jars(tmp_path):
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "python" / "sparktf").mkdir(parents=True)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert f"sparktf-tfrecord_2.12-{VERSION}.jar is not built: `make wheel`" in done.stderr
