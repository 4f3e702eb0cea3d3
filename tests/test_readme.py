"""What the README says is true of the code."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import requests

import airflow_green_notify
from airflow_green_notify.emulator import GreenApiEmulator

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
JSON = {"Content-Type": "application/json"}
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


def test_readme_recipe_is_a_dag(tmp_path: Path) -> None:
    """So can that of the recipes."""
    from airflow.models import DagBag

    (tmp_path / "recipe.py").write_text(blocks("python")[1])
    bag = DagBag(dag_folder=tmp_path / "recipe.py")
    assert not bag.import_errors
    assert set(bag.dags["on_new_messages"].task_ids) == {"drain"}


def test_readme_names_every_example_dag() -> None:
    """And no other."""
    there = {path.name for path in (ROOT / "example_dags").glob("*.py")}
    assert set(re.findall(r"`(\w+\.py)`", README)) == there


def test_readme_tells_what_to_do_about_every_error() -> None:
    """Each class of errors stands in the table of what the log says."""
    from airflow_green_notify import errors

    told = set(re.findall(r"^\| `?(.*?)\|", README, re.MULTILINE))
    classes = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.GreenApiError)
    }
    assert {name for name in classes if not any(name in cell for cell in told)} == {
        "GreenApiError",
        "GreenApiResponseError",
    }


def test_readme_calls_of_the_emulator_work(green_api_emulator: GreenApiEmulator) -> None:
    """What is typed there does something."""
    calls = re.findall(r"^curl (?:--json '(.*?)' )?localhost:18090(/_emulator/\w+)", README, re.MULTILINE)
    assert len(calls) == 6
    for body, path in calls:
        url = green_api_emulator.url + path
        answer = (
            requests.post(url, data=body, headers=JSON, timeout=10) if body else requests.get(url, timeout=10)
        )
        assert answer.status_code == 200, answer.text


def test_readme_classes_exist() -> None:
    """Every class the README names can be imported from where users import."""
    named = set(re.findall(r"\bGreenApi[A-Z]\w+\b", README))
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
    modules = set(re.findall(r"python -m ([\w.]+)", README)) - {"venv", "pytest"}
    assert modules
    for module in modules:
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module


def test_readme_names_every_dependency_with_its_reason() -> None:
    """One line for each dependency and extra."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.split(r"[><=\[]", requirement)[0] for requirement in project["dependencies"]]
    for name in names:
        assert re.search(rf"^\| `{name}`.*\|.+\|$", README, re.MULTILINE), name
