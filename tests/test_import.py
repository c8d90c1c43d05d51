"""`import sparktf` is for everyone: those without TensorFlow, without Spark, without either."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sparktf

_HEAVY = (
    *("tensorflow", "keras", "pyspark", "py4j", "numpy", "pandas", "pyarrow", "PIL", "matplotlib"),
)


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


def test_each_part_says_which_extra_it_lacks():
    blocked = "; ".join(f"sys.modules[{name!r}] = None" for name in _HEAVY)
    calls = {
        "configure(None)": ("pyspark", "spark"),
        "register(None)": ("pyspark", "spark"),
        "dataset('x', batch_size=1)": ("tensorflow", "tensorflow"),
        "feature_spec('x int')": ("tensorflow", "tensorflow"),
        "load_model('x')": ("tensorflow", "tensorflow"),
        "save_model(None, 'x')": ("tensorflow", "tensorflow"),
        "repair_saved_model('x', 'y')": ("tensorflow", "tensorflow"),
        "predict_udf('x')": ("pyspark, numpy, pyarrow", "spark"),
        "register_udf(None, 'f', 'x')": ("pyspark, numpy, pyarrow", "spark"),
        "predict_rdd(None, 'x')": ("pyspark, numpy, pyarrow", "spark"),
        "TensorFlowDistributor(local_mode=True).run(print)": ("pyspark, numpy, pyarrow", "spark"),
        "images.read_folder(None, 'x')": ("pyspark, pyarrow", "spark"),
        "images.to_features(None)": ("pyspark, pandas, pyarrow", "spark"),
        "show_images(None)": ("pyspark, matplotlib, PIL", "spark,pictures,images"),
        "plot_history({})": ("matplotlib", "pictures"),
        "SavedModelTransformer": ("pyspark, numpy, pyarrow", "spark"),
        "ml": ("pyspark, numpy, pyarrow", "spark"),
    }
    code = f"""
import sys; {blocked}; import sparktf
for call in {list(calls)!r}:
    try:
        eval("sparktf." + call)
    except ModuleNotFoundError as error:
        print(error)
"""
    told = _run(code).splitlines()
    assert len(told) == len(calls)
    for (call, (missing, extras)), line in zip(calls.items(), told, strict=True):
        assert f" needs {missing}, which {sys.executable} (Python 3." in line, (call, line)
        assert line.endswith(f'does not have: pip install "sparktf[{extras}]"'), (call, line)


def test_the_extras_that_are_named_are_those_of_the_package():
    from sparktf import extras

    tomllib = pytest.importorskip("tomllib", reason="Python 3.11 and later")
    pyproject = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    declared = tomllib.loads(pyproject)["project"]["optional-dependencies"]
    assert set(extras._EXTRAS.values()) <= set(declared)
    named = re.fullmatch(r"sparktf\[(.+)\]", declared["all"][0])
    assert named is not None and set(named[1].split(",")) == set(declared) - {"all"}


def test_what_is_listed_are_the_public_names():
    names = {*sparktf.__all__, "SavedModelTransformer", "ml"}
    assert dir(sparktf) == sorted(names)
    assert all(getattr(sparktf, name) is not None for name in names)
    without = _run("import sys; sys.modules['pyspark'] = None; import sparktf; print(dir(sparktf))")
    assert without == str(sorted(sparktf.__all__))


def test_the_version_is_the_one_in_pyproject():
    pyproject = Path(__file__).parents[1] / "pyproject.toml"
    written = re.search(r'^version = "(.+)"$', pyproject.read_text(), re.MULTILINE)
    assert written is not None
    assert sparktf.__version__ == written[1]


def test_a_name_that_is_not_there_is_an_attribute_error():
    assert not hasattr(sparktf, "no_such_name")


def test_what_tensorflow_says_before_it_ends_a_process_is_not_lost():
    code = (
        "import os\nfrom sparktf import quiet\nwith quiet.without_noise():\n"
        "    os.write(2, b'I0000 port.cc:153] oneDNN custom operations are on. You may see\\n')\n"
        "    os.write(2, b'F0000 cpu_feature_guard.cc:20] built for AVX\\n')\n    os.abort()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode < 0
    assert done.stderr == "F0000 cpu_feature_guard.cc:20] built for AVX\n"


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
