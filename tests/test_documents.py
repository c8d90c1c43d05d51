"""README.md, CONTRIBUTING.md and docs/: their code runs and prints what they say, their links lead
somewhere, and the errors that they explain are those of the sources."""

import ast
import importlib
import json
import re
import subprocess
import sys
import zipfile

import document_blocks
import pytest
import spark_shell
from document_blocks import PAGES, ROOT, Runner, blocks

from sparktf.spark import submit_jars

pytestmark = pytest.mark.one_spark

CONNECT = ROOT / "docs" / "guides" / "spark-connect.md"
TROUBLESHOOTING = ROOT / "docs" / "troubleshooting.md"
SCALADOC = ROOT / "docs" / "reference" / "scala"  # which `make docs` has sbt write
SERVER = "sc://spark.example.org:15002"

RUN = [p for p in PAGES if any(b.mark is None for b in blocks(p)) and p != TROUBLESHOOTING]
NOT_RUN = [b for page in PAGES for b in blocks(page) if b.mark is not None]


def name_of(page):
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def run_page(spark, models, tmp_path_factory):
    """Runs a page, once, and gives the folder of what it made."""
    folder = tmp_path_factory.mktemp("pages")
    roots = {}

    def run(page):
        if page not in roots:
            root = roots[page] = folder / name_of(page).removesuffix(".md").replace("/", "-")
            runner = Runner(root, spark)
            (root / "models" / "linear").symlink_to(models.linear)
            settings = spark.conf.getAll
            runner.page(page)
            # Of the session, which all tests share.
            for table in spark.catalog.listTables():
                assert table.isTemporary, f"{name_of(page)} leaves the table {table.name}"
                spark.catalog.dropTempView(table.name)
            for name, value in spark.conf.getAll.items():
                if name not in settings:
                    spark.conf.unset(name)
                elif settings[name] != value:
                    spark.conf.set(name, settings[name])
        return roots[page]

    return run


def _marks(page):
    """Those of the examples do much of what the examples do."""
    return [pytest.mark.long] if page.parent.name == "examples" else []


@pytest.mark.parametrize(
    "page",
    [pytest.param(p, marks=_marks(p), id=name_of(p)) for p in RUN if p != CONNECT],
)
def test_python_sql_and_commands(page, run_page):
    run_page(page)


def test_a_page_in_a_session_of_spark_connect(connect_server, tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, document_blocks.__file__),
            *(str(CONNECT), str(tmp_path), f"{SERVER}={connect_server}"),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]


def test_scala(run_page, tmp_path):
    """One shell for the Scala of all pages, in which each block is compiled and run as a whole."""
    found = [b for page in PAGES for b in blocks(page) if b.language == "scala" and b.mark is None]
    roots = {block.page: run_page(ROOT / block.page) for block in found}
    typed = []
    for number, block in enumerate(found):
        file = tmp_path / f"{number}.scala"
        code = document_blocks.placed(block.code, roots[block.page])
        file.write_text(f'println("<{number}>")\n{code}\nprintln("</{number}>")\n')
        typed.append(f":paste {file}\n")
    printed = spark_shell.run(
        tmp_path / "shell",
        *("--master", "local[2]", "--conf", "spark.sql.shuffle.partitions=2"),
        stdin="".join(typed),
        packages=("sparktf-tfrecord", "sparktf-savedmodel"),
    )
    for number, block in enumerate(found):
        match = re.search(rf"<{number}>\n(.*)</{number}>", printed, re.S)
        assert match, f"{block} did not run to its end:\n{printed[-6000:]}"
        problem = document_blocks.differs(block, match[1], roots[block.page])
        assert problem is None, problem


@pytest.mark.parametrize("block", NOT_RUN, ids=lambda block: f"{block}, {block.mark}")
def test_what_is_not_run_can_be_parsed(block):
    document_blocks.check_syntax(block)
    if block.mark.startswith("run by "):
        assert (ROOT / block.mark.removeprefix("run by ")).is_file()


def test_each_command_of_make_is_there():
    text = "".join(page.read_text() for page in PAGES)
    targets = set(re.findall(r"(?:^|`| && )make ([a-z][\w.-]*)", text, re.M)) - {"sure"}
    assert {"test", "quickstart", "docs"} < targets
    lanes = {target.removeprefix("lane-") for target in targets if target.startswith("lane-")}
    listed = subprocess.run(
        ["make", "--no-print-directory", "lanes"], cwd=ROOT, capture_output=True, text=True
    ).stdout
    assert lanes <= {*listed.split(), "NAME"}
    named = set(re.findall(r"^([a-z-]+)(?: [a-z-]+)*:", (ROOT / "Makefile").read_text(), re.M))
    assert {target for target in targets if not target.startswith("lane-")} <= named


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for line, target in document_blocks.links(page):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        file = (page.parent / path).resolve() if path else page
        if file.is_relative_to(SCALADOC):
            continue
        assert file.is_relative_to(ROOT) and file.exists(), f"{name_of(page)}:{line}: {target}"
        if anchor:
            known = document_blocks.headings(file)
            assert anchor in known, f"{name_of(page)}:{line}: {target}, there are {sorted(known)}"


def test_what_the_reference_describes_is_where_users_import_it():
    text = (ROOT / "docs" / "reference" / "python.md").read_text()
    names = re.findall(r"^::: (\S+)$", text, re.M)
    assert len(names) >= 20
    for name in names:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


def test_each_page_is_in_the_navigation():
    """With its own name or, where it lies elsewhere, with the one that the site gives it."""
    # The site's configuration names Python objects, which say nothing of the pages.
    settings = (ROOT / "mkdocs.yml").read_text()
    named = re.findall(r"^ *- (?:[^:#\n]+: )?(\S+\.md)$", settings, re.M)
    pages = {str(p.relative_to(ROOT / "docs")) for p in ROOT.glob("docs/**/*.md")}
    assert pages <= set(named)


# ---------------------------------------------------------------- troubleshooting


def constants_of_python(text):
    """Each string of a program, with an … for what is only known when it runs."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.JoinedStr):
            yield "".join(_piece(value) for value in node.values)
        elif isinstance(node, ast.BinOp):
            yield _sum(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _sum(node):
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _sum(node.left) + _sum(node.right)
    if isinstance(node, ast.JoinedStr):
        return "".join(_piece(value) for value in node.values)
    return _piece(node)


def _piece(node):
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return "…"


def constants_of_scala(text):
    string = r'[sf]?"(?:[^"\\\n]|\\.)*"'
    for match in re.finditer(rf"{string}(?:\s*\+\s*(?:{string}|[\w.]+(?:\([^()]*\))?))*", text):
        pieces = re.findall(rf"({string})|\+\s*(?![sf]?\")([\w.]+)", match[0])
        whole = "".join(quoted.lstrip("sf")[1:-1] if quoted else "…" for quoted, _ in pieces)
        yield re.sub(r"\$\{(?:[^{}]|\{[^{}]*\})*\}(?:%\w+)?|\$\w+", "…", whole).replace('\\"', '"')


@pytest.fixture(scope="module")
def messages():
    found = []
    for file in ROOT.glob("python/sparktf/**/*.py"):
        found += constants_of_python(file.read_text())
    for file in ROOT.glob("jvm/*/src/main/**/*"):
        if file.suffix in (".scala", ".java"):
            found += constants_of_scala(file.read_text())
    # Spark's own errors.
    jars = submit_jars.spark_home() / "jars"
    (jar,) = jars.glob("spark-common-utils_*.jar")
    with zipfile.ZipFile(jar) as archive:
        conditions = json.loads(archive.read("error/error-conditions.json"))
    found = [text for text in found if "\n\n" not in text]  # docstrings
    for name, condition in conditions.items():
        text = " ".join(condition["message"])
        found.append(f"[{name}] " + re.sub(r"<\w+>", "…", text))
    return found


ERRORS = [block for block in blocks(TROUBLESHOOTING) if block.language == "text"]


@pytest.mark.parametrize("block", ERRORS, ids=lambda block: f"{block}, {block.code[:50].strip()}")
def test_an_error_that_is_explained_is_one_that_there_is(block, messages):
    parts = [re.escape(part) for part in block.code.strip("…\n ").split("…")]
    told = re.compile(".*?".join(parts), re.S)
    assert sum(map(len, parts)) >= 15
    assert any(told.search(message) for message in messages), block.code


def test_all_of_troubleshooting_is_errors():
    assert len(ERRORS) >= 40
    assert {block.language for block in blocks(TROUBLESHOOTING)} == {"text"}
