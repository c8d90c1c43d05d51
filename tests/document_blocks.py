"""The code blocks of README.md, CONTRIBUTING.md and docs/, and what it takes to run them.

A page's blocks are run in their order: Python in one namespace that begins with a session `spark`
and `sparktf`, SQL by `spark.sql`, bash in a folder of the page's own. A block of text directly
behind a block is what that prints; an … in it stands for anything. Folders that begin with /tmp,
/data, /models or /shared, and ~, lie below the page's own folder.

HTML comments, which no reader sees, say what else a page needs:

    <!-- python                  a block of Python (or scala) that is run, and not shown
    …
    -->
    <!-- not run: WHY -->        the next block is only parsed
    <!-- run by FILE -->         the next block is only parsed, and FILE of tests/ runs the same
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
    + [page for name in ("docs", "examples", "benchmarks") for page in ROOT.glob(f"{name}/**/*.md")]
)

_MARK = re.compile(r"<!-- (?:not run: (?P<why>.+?)|run by (?P<test>\S+)) -->\s*", re.S)
_HIDDEN = re.compile(r"<!-- (?P<language>python|scala)\n(?P<code>.*)-->\s*", re.S)
_FOLDERS = re.compile(r"(?<![\w./:$}-])(?:/(?=(?:tmp|data|models|shared)/)|~/)")


@dataclass(frozen=True)
class Block:
    """One block of a page.

    Attributes:
        page: Path below the repository.
        line: Of its first line of code, from 1.
        language: As the page names it.
        code: Without the fence.
        mark: Why it is not run, or None.
        output: What the page says that it prints, or None.
    """

    page: str
    line: int
    language: str
    code: str
    mark: str | None = None
    output: str | None = None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text())


def blocks(page: Path) -> list[Block]:
    """All blocks of a page, hidden ones too, without those that are another's output.

    Raises:
        AssertionError: A block is indented instead of fenced, or a mark is followed by none.
    """
    name = str(page.relative_to(ROOT))
    found: list[Block] = []
    mark = None
    before: Block | None = None  # the block that ends directly above
    for token in tokens(page):
        line = token.map[0] + 1 if token.map else 0
        assert token.type != "code_block", f"{name}:{line}: fence this block, and name its language"
        if token.type == "html_block":
            hidden, marked = _HIDDEN.fullmatch(token.content), _MARK.fullmatch(token.content)
            if hidden:
                found.append(Block(name, line + 1, hidden["language"], hidden["code"]))
            elif marked:
                mark = marked["why"] or f"run by {marked['test']}"
            before = None
            continue
        if token.type != "fence":
            assert mark is None or token.nesting or not token.map, f"{name}:{line}: marks no block"
            before = None
            continue
        language = token.info.strip()
        if language == "text" and before is not None and mark is None:
            assert found[-1] is before
            found[-1] = Block(**{**vars(before), "output": token.content})
            before = None
            continue
        found.append(Block(name, line + 1, language, token.content, mark))
        before, mark = found[-1], None
    assert mark is None, f"{name}: a mark at its end"
    return found


def check_syntax(block: Block) -> None:
    """Raises an error where a block that is not run is no code of its language."""
    if block.language == "python":
        ast.parse(block.code)
    elif block.language == "bash":
        done = subprocess.run(["bash", "-n"], input=block.code, capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, f"{block}: {done.stderr}"
    elif block.language == "yaml":
        yaml.safe_load(block.code)
    else:
        assert block.language in ("text", "diff"), f"{block}: cannot be told to be {block.language}"


def differs(block: Block, printed: str, root: Path) -> str | None:
    """What a block has printed and the page does not say, or None."""
    if block.output is None:
        return None
    told = _lines(printed.replace(str(root), ""))
    pattern = "".join(
        # Of a line with nothing else it stands for any number of lines.
        "(?:[^\n]*\n)*?" if line == "…" else ".*?".join(map(re.escape, line.split("…"))) + "\n"
        for line in _lines(block.output).split("\n")
    )
    if re.fullmatch(pattern, f"{told}\n", re.S):
        return None
    return f"{block} prints\n{told}\nand the page says\n{_lines(block.output)}"


def _lines(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def placed(text: str, root: Path) -> str:
    """The code with its folders below `root`."""
    return _FOLDERS.sub(f"{root}/", text)


@dataclass
class Runner:
    """Runs the blocks of one page.

    Attributes:
        root: The folder that stands for / in its paths.
        spark: The session, or None where the page makes its own.
        replaced: Words of the page, such as a server's address, and what stands for them.
    """

    root: Path
    spark: Any = None
    replaced: dict[str, str] = field(default_factory=dict)
    namespace: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        import sparktf

        for name in ("tmp", "data", "models", "shared"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        self.namespace |= {"__name__": "__main__", "sparktf": sparktf}
        if self.spark is not None:
            self.namespace["spark"] = self.spark

    def page(self, page: Path) -> None:
        """Runs all but Scala's, which one shell runs for all pages."""
        for block in blocks(page):
            if block.mark is None and block.language != "scala":
                printed = self.run(block)
                problem = differs(block, printed, self.root)
                assert problem is None, problem

    def run(self, block: Block) -> str:
        """What it prints."""
        code = placed(block.code, self.root)
        for old, new in self.replaced.items():
            code = code.replace(old, new)
        if block.language == "python":
            return self._python(block, code)
        if block.language == "sql":
            return self._sql(code)
        assert block.language == "bash", f"{block}: nothing runs {block.language or 'no language'}"
        return self._bash(block, code)

    def _python(self, block: Block, code: str) -> str:
        printed = io.StringIO()
        # Errors name the line of the page.
        compiled = compile("\n" * (block.line - 1) + code, block.page, "exec")
        with contextlib.redirect_stdout(printed):
            exec(compiled, self.namespace)
        return printed.getvalue()

    def _sql(self, code: str) -> str:
        """The table of its last statement, as `show` prints it."""
        statements = [part for part in re.split(r";\s*(?:\n|$)", code) if part.strip()]
        for statement in statements:
            rows = self.namespace["spark"].sql(statement)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            rows.show(truncate=False)
        return printed.getvalue()

    def _bash(self, block: Block, code: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", code],
            cwd=self.root,
            env=os.environ | {"PATH": f"{_commands(self.root)}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{block}:\n{done.stdout}"
        return done.stdout


def _commands(root: Path) -> Path:
    """A folder with the command `sparktf` of the package that is tested."""
    folder = root / "bin"
    if not folder.exists():
        folder.mkdir()
        command = folder / "sparktf"
        main = "from sparktf.cli.commands import main; main(prog_name='sparktf')"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{main}" "$@"\n')
        command.chmod(0o755)
    return folder


def headings(page: Path) -> set[str]:
    """The anchors of a page: those of its headings, as the site makes them."""
    found = tokens(page)
    texts = [b.content for a, b in pairwise(found) if a.type == "heading_open"]
    words = (re.sub(r"[^\w\s-]", "", text).strip().lower() for text in texts)
    return {re.sub(r"[-\s]+", "-", text) for text in words}


def links(page: Path) -> Iterator[tuple[int, str]]:
    """Line and target of each link and picture."""
    for token in tokens(page):
        for child in token.children or ():
            target = child.attrGet("href") or child.attrGet("src")
            if target:
                yield (token.map[0] + 1 if token.map else 0), str(target)


if __name__ == "__main__":  # a page in a process of its own: PAGE ROOT [WORD=ANOTHER …]
    path, root, *words = sys.argv[1:]
    Runner(Path(root), None, dict(word.split("=", 1) for word in words)).page(Path(path))
