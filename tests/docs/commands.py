"""Whether a command that a page tells is one that its program takes."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import requests
from packaging.requirements import Requirement

from airflow_green_notify import cli
from tests.docs.pages import ROOT

EMULATOR = "localhost:18090"
TOOLS = {"venv", "pip", "pytest", "sphinx", "hatchling"}
OUR_COMMANDS = {"make_models": "MODELS"}


def commands_in(text: str) -> list[list[str]]:
    """Split a block into commands, each into its words; comments are left out."""
    lines = text.replace("\\\n", " ").splitlines()
    words = [shlex.split(part, comments=True) for line in lines for part in re.split(r" && | & ?$", line)]
    return [command for command in words if command]


def check_command(words: list[str], gateway_url: str) -> None:
    """Fail if a program doesn't take these words; what is typed to the emulator is done."""
    program, *rest = words
    program = Path(program).name
    if program == "export":
        _check_export(rest[0])
    elif program == "airflow":
        _check_airflow(rest)
    elif program in ("python", "python3") and rest[0] == "-m":
        _check_module(rest[1], rest[2:])
    elif program == "pip":
        _check_install(rest)
    elif program == "curl":
        _ask_emulator(rest, gateway_url)
    elif program in ("ruff", "mypy", "pre-commit"):
        assert all((ROOT / word).exists() for word in rest if "/" in word)
    else:
        raise AssertionError(f"Nobody checks what {program} takes: {shlex.join(words)}")


def _check_export(assignment: str) -> None:
    name, _, value = assignment.partition("=")
    assert re.fullmatch("[A-Z][A-Z0-9_]*", name), assignment
    if name.startswith("AIRFLOW_CONN_"):
        assert json.loads(value)["conn_type"] in ("greenapi", "sqlite", "postgres", "aws"), assignment


def _check_airflow(arguments: list[str]) -> None:
    from airflow.cli.cli_parser import get_parser

    get_parser().parse_args(arguments)


def _check_module(name: str, arguments: list[str]) -> None:
    if name == "pip":
        _check_install(arguments)
    elif name == "airflow_green_notify.emulator":
        from airflow_green_notify.emulator.__main__ import _parser

        _parser().parse_args(arguments)
    elif name.startswith("airflow_green_notify.") and name != "airflow_green_notify.demo":
        command = name.partition(".")[2]
        table = OUR_COMMANDS.get(command, command.upper())
        cli.parsed(name, "", getattr(cli, f"{table}_ARGUMENTS"), arguments)
    elif name not in TOOLS:
        path = ROOT / name.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), name


def _check_install(arguments: list[str]) -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [word for word in arguments[1:] if not word.startswith(("-", "tests/"))]
    for word in wanted:
        requirement = Requirement(
            word.replace(".[", f"{project['name']}[") if word != "." else project["name"]
        )
        assert requirement.name in (project["name"], "apache-airflow"), word
        if requirement.name == project["name"]:
            assert requirement.extras <= project["optional-dependencies"].keys(), word


def _ask_emulator(arguments: list[str], gateway_url: str) -> None:
    """Do what ``curl`` would, at the gateway of the test in place of the one by hand."""
    body = arguments[arguments.index("--json") + 1] if "--json" in arguments else None
    [address] = [word for word in arguments if word.startswith(EMULATOR)]
    url, headers = address.replace(EMULATOR, gateway_url), {"Content-Type": "application/json"}
    answer = (
        requests.post(url, data=body, headers=headers, timeout=10) if body else requests.get(url, timeout=10)
    )
    assert answer.status_code == 200, answer.text
