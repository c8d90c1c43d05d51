"""The Maven packages of a release, in target/m2, where `make repository` publishes them."""

import hashlib
import os
import re
import struct
from pathlib import Path

import pytest
from published import (
    MODULES,
    POM,
    ROOT,
    SCALAS,
    VERSION,
    MavenPackage,
    content_of,
    differences,
    install_lines,
    jar_in_wheel,
)

pytestmark = pytest.mark.one_spark

# Java's version in a class file: 52 is Java 8, 55 is Java 11, which TensorFlow's own classes need.
_CLASS_FILES = {"tfrecord": 52, "savedmodel": 55}
# What is documented of each module.
_PUBLIC = {
    "tfrecord": [
        "TFRecordFileFormat",
        "CorruptTFRecordException",
        "MalformedRecordException",
        "v2/TFRecordDataSourceV2",
    ],
    "savedmodel": ["SavedModel", "SavedModel$", "SavedModelExtensions", "Signature", "TensorSpec"],
}


# `make release-check`, which makes javadoc, too; for the tests alone that would take too long.
_IS_RELEASE = "SPARKTF_DIST" in os.environ


@pytest.fixture(
    params=[(module, scala) for module in MODULES for scala in SCALAS],
    ids=lambda param: "_".join(param),
)
def package(request):
    package = MavenPackage(*request.param)
    if not package.jar.is_file():
        pytest.fail(f"{package.jar} is not there: `make repository` builds it")
    return package


def test_a_package_has_sources_javadoc_and_checksums(package):
    endings = [".pom", ".jar", "-sources.jar"]
    # Signatures are the publisher's.
    published = {path.name for path in package.folder.iterdir() if path.suffix != ".asc"}
    if _IS_RELEASE:
        endings.append("-javadoc.jar")
    else:
        published = {name for name in published if "-javadoc.jar" not in name}
    files = [package.file(ending) for ending in endings]
    assert published == {
        name for file in files for name in (file.name, f"{file.name}.md5", f"{file.name}.sha1")
    }
    for file in files:
        for checksum in ("md5", "sha1"):
            written = Path(f"{file}.{checksum}").read_text().strip()
            assert hashlib.new(checksum, file.read_bytes()).hexdigest() == written, file


def test_a_pom_has_what_maven_central_asks_for(package):
    pom = package.pom()
    for path, expected in {
        "groupId": "io.github.sparktf",
        "artifactId": package.name,
        "version": VERSION,
        "packaging": "jar",
        "name": f"sparktf-{package.module}",
        "url": "https://github.com/sparktf/sparktf",
        "licenses/license/name": "Apache-2.0",
        "licenses/license/url": "https://www.apache.org/licenses/LICENSE-2.0.txt",
        "scm/url": "https://github.com/sparktf/sparktf",
        "scm/connection": "scm:git:https://github.com/sparktf/sparktf.git",
        "scm/developerConnection": "scm:git:ssh://git@github.com/sparktf/sparktf.git",
        "developers/developer/name": "sparktf contributors",
        "developers/developer/url": "https://github.com/sparktf",
    }.items():
        assert pom.findtext("/".join(POM + tag for tag in path.split("/"))) == expected, path
    assert "Spark" in pom.findtext(f"{POM}description")


def test_a_pom_asks_for_no_more_than_the_package_needs(package):
    def dependency(element):
        tags = ("groupId", "artifactId", "classifier", "scope")
        return tuple(element.findtext(POM + tag) for tag in tags)

    elements = package.pom().findall(f"{POM}dependencies/{POM}dependency")
    # Without a scope it is `compile`: it comes along.
    tensorflow = ("org.tensorflow", "tensorflow-core-native")
    expected = {("org.apache.spark", f"spark-sql_{package.scala}", None, "provided")}
    if package.module == "savedmodel":
        expected |= {(*tensorflow, None, None), (*tensorflow, "linux-x86_64", None)}
    assert {dependency(element) for element in elements} == expected
    # Spark's class path has a protobuf of its own.
    for element in elements:
        if element.findtext(f"{POM}groupId") == "org.tensorflow":
            left_out = element.findtext(f"{POM}exclusions/{POM}exclusion/{POM}artifactId")
            assert left_out == "protobuf-java"


def test_install_lines_name_the_tensorflow_that_the_package_asks_for():
    pom = MavenPackage("savedmodel", "2.13").pom()
    version = pom.findtext(f".//{POM}dependency[{POM}groupId='org.tensorflow']/{POM}version")
    versions = install_lines(r"org\.tensorflow:tensorflow-core-native:([\w.-]*\w)")
    assert versions
    assert [found for found in versions if found[1] != version] == []


def _made_by_the_build(package):
    """What is in the jars and not in the sources."""
    if package.module != "tfrecord":
        return {}
    return {"io/sparktf/tfrecord/scala-version": package.scala.encode()}


def test_a_jar_holds_its_own_classes_for_the_java_it_is_for(package):
    content = content_of(package.jar)
    classes = {name for name in content if name.endswith(".class")}
    folder = f"io/sparktf/{package.module}/"
    assert all(name.startswith(folder) for name in classes)
    assert {f"{folder}{name}.class" for name in _PUBLIC[package.module]} <= classes
    newest = max(struct.unpack(">H", content[name][6:8])[0] for name in classes)
    assert newest <= _CLASS_FILES[package.module]

    manifest = content.pop("META-INF/MANIFEST.MF").decode()
    assert f"Implementation-Version: {VERSION}\r\n" in manifest
    assert f"Implementation-Title: sparktf-{package.module}\r\n" in manifest
    services = {
        f"META-INF/services/{path.name}": path.read_bytes()
        for path in (package.sources / "resources" / "META-INF" / "services").glob("*")
    }
    for registered in services.values():
        for name in registered.decode().split():
            assert f"{name.replace('.', '/')}.class" in classes
    others = services | {"META-INF/LICENSE": (ROOT / "LICENSE").read_bytes()}
    others |= _made_by_the_build(package)
    found = {name: content[name] for name in content.keys() - classes}
    assert differences(found, others) == []


@pytest.mark.parametrize("scala", SCALAS)
def test_the_data_sources_jar_is_the_one_in_the_wheel(scala):
    jar = MavenPackage("tfrecord", scala).jar
    assert jar.read_bytes() == jar_in_wheel(scala).read_bytes(), "`make repository` builds both"


def test_the_sources_jar_holds_the_sources(package):
    sources = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for folder in package.sources.iterdir()
        for path in folder.rglob("*")
        if path.is_file()
    }
    sources |= _made_by_the_build(package)
    content = content_of(package.file("-sources.jar"))
    del content["META-INF/MANIFEST.MF"]
    assert differences(content, sources) == [], "`make repository` makes it anew"


if _IS_RELEASE:

    def test_the_javadoc_jar_describes_what_is_public_and_nothing_else(package):
        pages = content_of(package.file("-javadoc.jar"))
        folder = f"io/sparktf/{package.module}/"
        described = {name.removeprefix(folder) for name in pages if name.startswith(folder)}
        assert {f"{name}.html" for name in _PUBLIC[package.module]} <= described
        assert "index.html" in pages
        # Of a class that is private to the package a page would be a promise.
        text = "".join(path.read_text() for path in package.sources.rglob("*.scala"))
        for page in described:
            name = page.rpartition("/")[2].removesuffix(".html").rstrip("$")
            if name == "index":  # of a package
                continue
            declared = rf"^(final |abstract |case )*(class|object|trait) {name}\b"
            assert re.search(declared, text, re.M), page
