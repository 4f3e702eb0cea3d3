"""What the repository's own files name is there."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from airflow_green_notify.version import VERSION
from tests.public_api import RENEW

ROOT = Path(__file__).parent.parent
CONTINUOUS_INTEGRATION = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
YAML_FILES = sorted(
    str(path.relative_to(ROOT)) for path in [*ROOT.glob(".github/**/*.yml"), ROOT / ".pre-commit-config.yaml"]
)


def parsed(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_newest_version_of_the_changelog_is_this_one() -> None:
    """No version is released without saying what it brings."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest, *_ = re.findall(r"^## (\S+) - (?:Unreleased|\d{4}-\d\d-\d\d)$", changelog, re.MULTILINE)
    assert newest == VERSION


@pytest.mark.parametrize("name", YAML_FILES)
def test_yaml_file_can_be_read(name: str) -> None:
    """Each is a mapping; the workflow, the issue form and the hooks before a commit are among them."""
    assert isinstance(parsed(name), dict)
    assert len(YAML_FILES) >= 3


@pytest.mark.parametrize(
    ("name", "commands"),
    [("ci", [".ci/run"]), ("nightly", [".ci/run nightly", '.ci/run versions "$PAIR"'])],
)
def test_workflow_runs_nothing_but_what_everybody_can_run(name: str, commands: list[str]) -> None:
    """There is no check that only the server makes."""
    jobs = parsed(f".github/workflows/{name}.yml")["jobs"].values()
    assert [step["run"] for job in jobs for step in job["steps"] if "run" in step] == commands
    for job in jobs:
        [setup] = [step["with"] for step in job["steps"] if "setup-python" in step.get("uses", "")]
        assert setup["python-version"].split() == ["3.13", "3.12", "3.11"], "the last one is python3"


def test_each_airflow_is_tried_with_each_python_every_night() -> None:
    """And so are the lowest versions, on the lowest Python."""
    pairs = parsed(".github/workflows/nightly.yml")["jobs"]["versions"]["strategy"]["matrix"]["pair"]
    pins = [path.stem.removeprefix("airflow-") for path in (ROOT / "tests/constraints").glob("airflow-*.txt")]
    each = [f"{airflow}@{python}" for airflow in pins for python in ("3.11", "3.12", "3.13")]
    assert sorted(pairs) == sorted([*each, "lowest@3.11"])
    everything = subprocess.run(
        ["bash", "-c", "eval $(grep ^all_pairs= .ci/run); echo $all_pairs"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert everything.stdout.split() == pairs


def test_release_is_built_once_tested_and_published_without_a_token() -> None:
    """What is published is what was tested, and no job has more rights than its own work needs."""
    workflow = parsed(".github/workflows/release.yml")
    assert workflow["permissions"] == {}
    jobs = workflow["jobs"]
    assert {name: job.get("needs") for name, job in jobs.items()} == {
        "build": None,
        "test": "build",
        "publish": "test",
        "announce": "publish",
    }
    assert jobs["build"]["permissions"] == jobs["test"]["permissions"] == {"contents": "read"}
    assert (jobs["publish"]["permissions"], jobs["publish"]["environment"]) == ({"id-token": "write"}, "pypi")
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert commands[:3] == [".ci/release build", ".ci/release audit", ".ci/release test"]


@pytest.mark.parametrize("name", [name for name in YAML_FILES if "workflows" in name])
def test_action_is_pinned_by_hash(name: str) -> None:
    """A tag can be moved to other code."""
    used = re.findall(r"uses: (\S+)(.*)", (ROOT / name).read_text(encoding="utf-8"))
    assert used
    assert [action for action, _ in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action)] == []
    assert all(re.fullmatch(r" # v\d+\.\d+\.\d+", comment) for _, comment in used), "which version it is"


def test_lowest_versions_that_are_declared_are_those_that_are_tested() -> None:
    """A bound is no guess: each is the version in tests/constraints/lowest.txt."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    tested = project["dependencies"] + [
        line for name, lines in extras.items() if name != "test-vendor" for line in lines
    ]
    pins = dict(
        line.partition(" ;")[0].split("==")
        for line in (ROOT / "tests/constraints/lowest.txt").read_text(encoding="utf-8").splitlines()
    )
    for requirement in map(Requirement, tested):
        bounds = [each.version for each in requirement.specifier if each.operator == ">="]
        if requirement.name != project["name"]:
            assert [Version(bound) for bound in bounds] == [Version(pins[requirement.name])], requirement


def test_hooks_before_a_commit_check_what_ci_checks() -> None:
    """Ruff's version is the pinned one, and mypy is that of the environment."""
    ruff, local = parsed(".pre-commit-config.yaml")["repos"]
    pins = (ROOT / "tests/constraints/airflow-3.3.2.txt").read_text(encoding="utf-8")
    assert f"ruff=={ruff['rev'].removeprefix('v')}\n" in pins
    assert [hook["id"] for hook in ruff["hooks"]] == ["ruff-check", "ruff-format"]
    assert [(hook["entry"], hook["language"]) for hook in local["hooks"]] == [("mypy", "system")]
    for command in ("ruff check .", "ruff format --check .", "mypy"):
        assert f"/bin/{command}\n" in CONTINUOUS_INTEGRATION


def test_issue_form_asks_for_the_doctor_and_warns_of_the_token() -> None:
    """With that most questions are answered before they are asked."""
    form = parsed(".github/ISSUE_TEMPLATE/bug_report.yml")
    fields = {item["id"]: item["attributes"] for item in form["body"] if "id" in item}
    assert {"happened", "doctor", "versions", "token"} <= fields.keys()
    assert "airflow green-api doctor" in fields["doctor"]["description"]
    assert "python -m airflow_green_notify.doctor" in fields["doctor"]["description"]
    assert "apiTokenInstance" in form["body"][0]["attributes"]["value"]


@pytest.mark.parametrize("path", sorted(set(re.findall(r"tests/[\w/.{},-]+", CONTINUOUS_INTEGRATION))))
def test_test_file_that_ci_names_is_there(path: str) -> None:
    """Nobody notices one that was moved before the long run is at its end."""
    head, braces, rest = path.partition("{")
    names, _, tail = rest.partition("}")
    for name in names.split(",") if braces else [""]:
        for version in ("3.1.8", "3.2.2", "3.3.2") if head.endswith("airflow-") else [""]:
            assert (ROOT / f"{head}{name}{version}{tail or '.txt' * bool(version)}").exists(), head + name


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"])
def test_link_between_files_leads_somewhere(name: str) -> None:
    """A file that moves takes its links along."""
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / name).read_text(encoding="utf-8"))
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_contributing_names_the_command_that_renews_the_public_api() -> None:
    """Whoever changes a signature on purpose finds how to say so."""
    assert RENEW in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
