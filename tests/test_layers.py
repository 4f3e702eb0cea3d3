"""Who imports whom, and what an import costs."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import airflow_green_notify

PACKAGE = "airflow_green_notify"
ROOT = Path(airflow_green_notify.__file__).parent
PURE = {
    "progress",
    "body",
    "contacts",
    "errors",
    "json_text",
    "message",
    "notification",
    "portable_json",
    "printable",
    "protocol",
    "stopwatch",
    "task_output",
    "version",
}
ROLES = {"operators", "sensors", "triggers", "notifiers"}
DOORS = {
    "messaging",
    "provider_info",
    "cli",
    "doctor",
    "batches",
    "consumers",
    "dead_letters",
    "erase",
    "purge",
    "make_models",
    "demo",
}
HEAVY = {
    "requests",
    "urllib3",
    "aiohttp",
    "yarl",
    "sqlalchemy",
    "tenacity",
    "pyarrow",
    "pandas",
    "botocore",
    "openlineage",
    "whatsapp_api_client_python",
}

FOR_DAG_FILES = ["operators", "sensors", "triggers", "notifiers", "messaging", "hooks", "stores", "filters"]

# What a part may import of the package, besides itself. Parts that aren't named stand between hooks and
# stores on the one side and operators on the other: see test_part_between_imports_no_role.
ALLOWED: dict[str, set[str]] = {
    "version": set(),
    "progress": set(),
    "errors": {"printable"},
    "stopwatch": set(),
    "task_output": set(),
    "json_text": set(),
    "portable_json": {"json_text"},
    "printable": set(),
    "notification": {"body", "errors", "json_text", "portable_json", "printable"},
    "contacts": set(),
    "body": {"contacts"},
    "message": {"body", "contacts", "json_text", "notification"},
    "protocol": {"errors", "json_text", "message", "notification", "printable"},
    "filters": PURE,
    "arguments": PURE | {"filters", "stores"},
    "hooks": PURE,
    "files": PURE,
    "stores": PURE | {"files", "filters"},
    "metrics": PURE | {"files"},
    "consume": PURE | {"arguments", "drain", "files", "filters", "metrics", "stoppable", "stores"},
    "models": {"body", "errors", "files", "message", "stores"},
    "emulator": set(),
    "messaging": {"triggers"},
    "provider_info": {"hooks", "version"},
}
# What a part may import from elsewhere, besides the standard library.
LIBRARIES: dict[str, set[str]] = {
    "version": set(),
    "body": set(),
    "contacts": set(),
    "message": set(),
    "errors": set(),
    "stopwatch": set(),
    "task_output": set(),
    "json_text": set(),
    "portable_json": set(),
    "printable": set(),
    "notification": set(),
    "protocol": set(),
    "filters": set(),
    "arguments": set(),
    "provider_info": set(),
    "emulator": {"aiohttp", "pytest"},
    "hooks": {"airflow", "requests", "urllib3", "aiohttp", "yarl", "tenacity", "wtforms"},
}


def part_of(path: Path) -> str:
    """The first name below the package: a module or a folder."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


SOURCES = [path for path in sorted(ROOT.rglob("*.py")) if part_of(path) != "example_dags"]
PARTS = sorted({part_of(path) for path in SOURCES} - {"__init__"})


def imported_names(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Import):
            yield from (alias.name for alias in each.names)
        elif isinstance(each, ast.ImportFrom):
            assert each.level == 0, "imports are absolute"
            yield str(each.module)
            yield from (f"{each.module}.{alias.name}" for alias in each.names)


def imports_of(part: str) -> set[str]:
    """Everything that a part imports, wherever in its code."""
    trees = (ast.parse(path.read_text()) for path in SOURCES if part_of(path) == part)
    return {name for tree in trees for name in imported_names(tree)}


def loaded_at_once(path: Path) -> set[str]:
    """The top names of what a module imports when it is itself imported."""
    at_once = [
        node
        for node in ast.parse(path.read_text()).body
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    return tops({name for node in at_once for name in imported_names(node)})


def own_parts(part: str) -> set[str]:
    """The other parts of the package that a part imports."""
    names = (name.split(".") for name in imports_of(part) if name.startswith(f"{PACKAGE}."))
    return {name[1] for name in names if name[1] in PARTS} - {part}


def libraries(part: str) -> set[str]:
    """What a part imports from neither the package nor the standard library."""
    return {name.split(".")[0] for name in imports_of(part)} - {PACKAGE} - sys.stdlib_module_names


# --- direction ---


@pytest.mark.parametrize("part", ALLOWED)
def test_part_imports_only_what_stands_below_it(part: str) -> None:
    """The pure core knows nothing of the rest; hooks and stores know the core, and not each other."""
    assert part in PARTS
    assert own_parts(part) <= ALLOWED[part]


@pytest.mark.parametrize("part", LIBRARIES)
def test_part_uses_only_its_libraries(part: str) -> None:
    """The core is the standard library alone; the emulator shares no library with Airflow but aiohttp."""
    assert libraries(part) <= LIBRARIES[part]


def test_emulator_uses_pytest_in_its_fixtures_alone() -> None:
    """Who runs the emulator needs no pytest."""
    using = [path.name for path in SOURCES if "import pytest" in path.read_text()]
    assert using == ["pytest.py"]


@pytest.mark.parametrize("part", sorted(set(PARTS) - ROLES - DOORS))
def test_part_between_imports_no_role(part: str) -> None:
    """What operators are made of works without operators."""
    assert own_parts(part) & (ROLES | DOORS) == set()


@pytest.mark.parametrize("role", sorted(ROLES))
def test_role_imports_no_other_role_but_triggers(role: str) -> None:
    """Operators, sensors, triggers and notifiers don't lean on each other; waiting may use triggers."""
    assert own_parts(role) & (ROLES | DOORS) <= {"triggers"}


def test_drain_gets_hook_and_store_as_arguments() -> None:
    """The drain never makes a hook or a store: it knows their types only."""
    for path in SOURCES:
        if part_of(path) == "drain":
            for name in ("GreenApiHook(", "ObjectStorageStore(", "SqlStore("):
                assert name not in path.read_text()


def without_those_that_stand(below: dict[str, set[str]]) -> dict[str, set[str]]:
    """Take away whatever stands on nothing, again and again; what is left stands in a circle."""
    while free := {name for name, others in below.items() if not others}:
        below = {name: others - free for name, others in below.items() if name not in free}
    return below


def test_parts_import_each_other_without_a_circle() -> None:
    """There is an order in which every part stands on those before it."""
    assert without_those_that_stand({part: own_parts(part) for part in PARTS}) == {}


FILES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in SOURCES
}


def files_below(path: Path) -> set[str]:
    """The files of the package that a file imports: a module, or a package of which it takes a name."""
    imports = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    modules = {str(node.module) for node in imports}
    inner = {f"{node.module}.{alias.name}" for node in imports for alias in node.names} & FILES.keys()
    return inner | (modules & FILES.keys()) - {name.rpartition(".")[0] for name in inner}


def test_files_import_each_other_without_a_circle() -> None:
    """There is an order of all files too, imports for typing and within functions included."""
    assert without_those_that_stand({name: files_below(path) for name, path in FILES.items()}) == {}


@pytest.mark.parametrize(
    ("folder", "other"),
    [("stores/sql", "object_storage"), ("stores/object_storage", "sql"), ("files", "stores")],
)
def test_folder_knows_nothing_of_its_neighbour(folder: str, other: str) -> None:
    """A table is no folder, and a folder serves more than stores."""
    for path in (ROOT / folder).glob("*.py"):
        names = set(imported_names(ast.parse(path.read_text())))
        assert not {name for name in names if f".{other}." in f"{name}."}, path


def test_nothing_imports_airflow_internals() -> None:
    """Only public names of Airflow are used, from the places that don't warn."""
    private = {
        name
        for part in PARTS
        for name in imports_of(part)
        if name.startswith("airflow.") and any(piece.startswith("_") for piece in name.split("."))
    }
    assert private == set()


# --- cost ---


def modules_after(*statements: str) -> list[set[str]]:
    """What is in ``sys.modules`` after each of these statements, in a fresh interpreter."""
    code = "import json, sys; seen = []\n" + "".join(
        f"{statement}\nseen.append(sorted(sys.modules))\n" for statement in statements
    )
    ended = subprocess.run(
        [sys.executable, "-c", code + "print('\\n' + json.dumps(seen))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return [set(names) for names in json.loads(ended.stdout.splitlines()[-1])]


def tops(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


@pytest.fixture(scope="module")
def added_by_dag_files() -> dict[str, set[str]]:
    """What each part that Dag files import loads beyond Airflow and the parts before it."""
    seen = modules_after("import airflow.sdk", *(f"import {PACKAGE}.{part}" for part in FOR_DAG_FILES))
    return {part: after - before for part, (before, after) in zip(FOR_DAG_FILES, pairwise(seen), strict=True)}


@pytest.mark.parametrize("part", FOR_DAG_FILES)
def test_import_of_part_loads_no_heavy_library_by_itself(
    part: str, added_by_dag_files: dict[str, set[str]]
) -> None:
    """Dag files are parsed over and over: what they import costs nothing that Airflow hasn't paid already."""
    assert tops(added_by_dag_files[part]) & HEAVY == set()


@pytest.mark.parametrize("part", FOR_DAG_FILES)
def test_import_of_part_loads_no_transport_and_no_emulator(
    part: str, added_by_dag_files: dict[str, set[str]]
) -> None:
    """What sends requests is loaded when the first one is sent."""
    own = {name for name in added_by_dag_files[part] if name.startswith(PACKAGE)}
    assert not {name for name in own if name.endswith("_transport") or ".emulator" in name}


@pytest.mark.parametrize("part", sorted(ROLES | {"messaging", "filters", "fail_fast"}))
def test_part_for_dag_files_imports_no_heavy_library_when_loaded(part: str) -> None:
    """This holds whatever Airflow itself has loaded before."""
    for path in SOURCES:
        if part_of(path) == part:
            assert loaded_at_once(path) & HEAVY == set(), path


def test_import_of_provider_info_loads_no_airflow() -> None:
    """Airflow asks for it while it is itself half imported: it must not be imported from there."""
    before, after = modules_after("pass", f"import {PACKAGE}; {PACKAGE}.get_provider_info()")
    assert tops(after - before) & (HEAVY | {"airflow"}) == set()


def test_import_of_emulator_loads_no_airflow() -> None:
    """The emulator runs where Airflow isn't."""
    before, after = modules_after("pass", f"import {PACKAGE}.emulator, {PACKAGE}.emulator.__main__")
    assert tops(after - before) & (HEAVY - {"aiohttp", "yarl"} | {"airflow"}) == set()
