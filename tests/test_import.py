"""`import sparktf` is for everyone: those without TensorFlow, without Spark, without either."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import sparktf

_HEAVY = ("tensorflow", "keras", "pyspark", "py4j", "numpy", "pandas", "pyarrow", "PIL")


def _run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout.strip()


def test_importing_the_package_imports_none_of_the_heavy_ones():
    loaded = _run(f"import sys, sparktf; print([m for m in {_HEAVY} if m in sys.modules])")
    assert loaded == "[]"


def test_all_public_names_are_there_without_the_heavy_ones():
    blocked = "; ".join(f"sys.modules[{name!r}] = None" for name in _HEAVY)
    code = f"import sys; {blocked}; import sparktf; "
    code += (
        "print([n for n in sparktf.__all__ if not hasattr(sparktf, n)], sparktf.jar_path()[-4:])"
    )
    assert _run(code) == "[] .jar"


def test_the_version_is_the_one_in_pyproject():
    pyproject = Path(__file__).parents[1] / "pyproject.toml"
    written = re.search(r'^version = "(.+)"$', pyproject.read_text(), re.MULTILINE)
    assert written is not None
    assert sparktf.__version__ == written[1]


def test_a_name_that_is_not_there_is_an_attribute_error():
    assert not hasattr(sparktf, "no_such_name")


def _imports(module: str, tree: ast.Module, modules: set[str]) -> set[str]:
    """The package's own modules that a module imports, at its top or within a function."""
    for_types = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
        for node in ast.walk(block)
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node not in for_types:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.add(name if name in modules else node.module or "")
        elif isinstance(node, ast.Import) and node not in for_types:
            found |= {alias.name for alias in node.names}
    return (found & modules) - {module}


def test_no_module_and_no_room_needs_one_that_needs_it():
    package = Path(sparktf.__file__).parent
    files = {
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for path in package.rglob("*.py")
        if "_demo" not in path.parts
    }
    assert {"sparktf", "sparktf.data.datasets", "sparktf.images"} <= files.keys()
    graph = {
        module: _imports(module, ast.parse(path.read_text()), set(files))
        for module, path in files.items()
    }
    assert "sparktf.records.files" in graph["sparktf.data.datasets"]
    graphlib.TopologicalSorter(graph).prepare()  # raises a CycleError

    rooms: dict[str, set[str]] = {}
    for module, needed in graph.items():
        room = module.split(".")[1:2]
        if room:
            others = {other.split(".")[1] for other in needed if "." in other}
            rooms.setdefault(room[0], set()).update(others - set(room))
    graphlib.TopologicalSorter(rooms).prepare()
