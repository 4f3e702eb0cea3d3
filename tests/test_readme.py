"""What the README and the pages of docs/ say is true of the code; tests/docs runs their code blocks."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import airflow_green_notify

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts]
ALL = "\n".join([README, *(path.read_text(encoding="utf-8") for path in PAGES)])
MODULES = (
    "operators",
    "sensors",
    "triggers",
    "notifiers",
    "messaging",
    "stores",
    "filters",
    "hooks",
    "errors",
    "emulator",
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_readme_dag_is_a_dag(tmp_path: Path) -> None:
    """The Dag of the first pages can be copied into a Dag file as it is."""
    from airflow.models import DagBag

    (tmp_path / "copied.py").write_text(blocks("python")[0])
    bag = DagBag(dag_folder=tmp_path / "copied.py")
    assert not bag.import_errors
    assert set(bag.dags["messages_to_warehouse"].task_ids) == {"drain", "greet"}


def test_readme_classes_exist() -> None:
    """Every class that the README or a page names can be imported from where users import."""
    named = set(re.findall(r"\bGreenApi[A-Z]\w+\b", ALL))
    modules = [importlib.import_module(f"{airflow_green_notify.__name__}.{name}") for name in MODULES]
    missing = {name for name in named if not any(hasattr(module, name) for module in modules)}
    assert named
    assert not missing


@pytest.mark.parametrize("name", ["demo", "tests"])
def test_readme_set_up_is_one_line(name: str) -> None:
    """Each of the two commands is one line, and names pins that are there."""
    (command,) = re.findall(rf"<!-- {name} -->\n```sh\n(.*?)\n```", README, re.DOTALL)
    assert "\n" not in command
    (pins,) = re.findall(r"-c (\S+)", command)
    assert (ROOT / pins).is_file()


def test_readme_commands_name_modules_that_exist() -> None:
    """Behind every ``python -m`` there is a module."""
    modules = set(re.findall(r"python -m ([\w.]+\w)", ALL)) - {"venv", "pytest"}
    assert modules
    for module in modules:
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module


@pytest.mark.parametrize("page", ["README.md", "docs/benchmarks.md"])
def test_readme_number_has_its_command_beside_it(page: str) -> None:
    """Whoever doubts one can measure it again."""
    rows = re.findall(
        r"^\| what \| result \| command \|\n.*\n((?:\|.*\n)+)", (ROOT / page).read_text(), re.MULTILINE
    )
    cells = [row.split(" | ")[-1] for table in rows for row in table.splitlines()]
    assert len(cells) > 3
    assert [cell for cell in cells if not cell.startswith("`python -m ")] == []


def test_readme_names_every_dependency_with_its_reason() -> None:
    """One line for each dependency and extra."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.split(r"[><=\[]", requirement)[0] for requirement in project["dependencies"]]
    for name in names:
        assert re.search(rf"^\| `{name}`.*\|.+\|$", README, re.MULTILINE), name
