"""What mkdocs does here beyond Markdown: pages that lie elsewhere in the repository, links that
hold both there and on the site, the committed results as tables, and Scala's reference."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

import results
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]

# The site's page, and the file that it is.
PAGES = {
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "benchmarks/results.md": "benchmarks/results/README.md",
    "benchmarks/commands.md": "benchmarks/README.md",
    "benchmarks/notes.md": "benchmarks/NOTES.md",
}
PICTURES = {
    f"benchmarks/{picture.name}": f"benchmarks/results/{picture.name}"
    for picture in sorted((ROOT / "benchmarks" / "results").glob("*.svg"))
}
SCALADOC = {
    f"reference/scala/{name}": ROOT / "jvm" / name / "target" / "jvm-2.13" / "api"
    for name in ("tfrecord", "savedmodel")
}

_ELSEWHERE = {file: page for page, file in {**PAGES, **PICTURES}.items()}
_FOR_TESTS = re.compile(r"^<!-- (?:not run: |run by |python\n|scala\n).*?-->\n?", re.M | re.S)
_INCLUDE = re.compile(r'^<!-- include (\S+) "([^"]+)" -->$', re.M)
_TABLE = re.compile(r"^<!-- table (\w+) -->$", re.M)
_CODE = re.compile(r"(^ *```.*?^ *```$|`[^`\n]+`)", re.M | re.S)
_LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")


def on_files(files: Files, config: Any) -> Files:
    for page, file in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / file).read_text()))
    for page, file in PICTURES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / file)))
    for folder, scaladoc in SCALADOC.items():
        if not (scaladoc / "index.html").is_file():
            raise FileNotFoundError(f"no scaladoc in {scaladoc}: `make docs` builds it")
        for file in sorted(scaladoc.rglob("*")):
            if file.is_file():
                uri = f"{folder}/{file.relative_to(scaladoc).as_posix()}"
                files.append(File.generated(config, uri, abs_src_path=str(file)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    uri = page.file.src_uri
    source = PAGES.get(uri, f"docs/{uri}")
    text = _linked(_FOR_TESTS.sub("", markdown), source, uri, config)
    text = _INCLUDE.sub(lambda match: _section(match[1], match[2], uri, config), text)
    return _TABLE.sub(lambda match: results.table(match[1]), text)


def _section(file: str, heading: str, uri: str, config: Any) -> str:
    """What a file of the repository has below a heading."""
    text = (ROOT / file).read_text()
    match = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    if match is None:
        raise ValueError(f"{file} has no heading {heading!r}")
    return _linked(_FOR_TESTS.sub("", match[1]), file, uri, config)


def _linked(text: str, source: str, uri: str, config: Any) -> str:
    """Links from a file of the repository, as they are from a page of the site."""
    parts = _CODE.split(text)
    for i in range(0, len(parts), 2):
        parts[i] = _LINK.sub(lambda match: _target(match[1], source, uri, config), parts[i])
    # A link's text may be code: its target then begins the part behind.
    return "".join(parts)


def _target(target: str, source: str, uri: str, config: Any) -> str:
    path, mark, anchor = target.partition("#")
    if not path or re.match(r"[a-z]+:", path):
        return target
    file = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    place = _ELSEWHERE.get(file, file.removeprefix("docs/") if file.startswith("docs/") else None)
    if place is None:
        kind = "tree" if (ROOT / file).is_dir() else "blob"
        return f"{config.repo_url.rstrip('/')}/{kind}/main/{file}{mark}{anchor}"
    return posixpath.relpath(place, posixpath.dirname(uri) or ".") + mark + anchor
