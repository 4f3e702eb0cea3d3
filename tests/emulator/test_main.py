"""The emulator as a program."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

PROGRAM = [sys.executable, "-m", "airflow_green_notify.emulator", "--port", "0"]


class Program:
    """A running emulator program and the connection it printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.introduction = process.stdout.readline() if process.stdout else ""
        self.export = process.stdout.readline() if process.stdout else ""
        name, _, value = shlex.split(self.export)[1].partition("=")
        assert name == "AIRFLOW_CONN_GREEN_API_DEFAULT"
        self.connection = json.loads(value)

    def get(self, method: str) -> requests.Response:
        """Call a method by GET."""
        path = f"waInstance{self.connection['login']}/{method}/{self.connection['password']}"
        return requests.get(f"{self.connection['host']}/{path}", params={"receiveTimeout": 60}, timeout=30)


@pytest.fixture
def run() -> Iterator[Callable[..., Program]]:
    """Start the program with options; it is killed at the end of the test if it still runs."""
    started = []

    def start(*options: str) -> Program:
        process = subprocess.Popen(
            [*PROGRAM, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return Program(process)

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_program_serves_the_printed_connection_and_ends_cleanly(run: Any, end: signal.Signals) -> None:
    """The export line is all that is needed to reach it; both signals end it with 0 and no complaint."""
    program = run("--examples")
    assert program.get("receiveNotification").json()["receiptId"] == 1
    assert program.connection["host"] in program.introduction
    assert program.connection["login"] in program.introduction
    program.process.send_signal(end)
    _, errors = program.process.communicate(timeout=20)
    assert (program.process.returncode, errors) == (0, "")


def test_program_takes_its_options(run: Any) -> None:
    """Id, token, product and switches can be given on the command line."""
    program = run(
        *("--id-instance", "4100000042", "--api-token", "it's mine", "--type-instance", "telegram"),
        *("--instant-empty", "--idle", "empty", "--no-rate-limits", "--quota-chats", "3"),
        *("--round-trip", "0.01"),
    )
    assert (program.connection["login"], program.connection["password"]) == ("4100000042", "it's mine")
    assert program.get("receiveNotification").content == b""
    assert program.get("getSettings").json()["typeInstance"] == "telegram"
    switches = requests.post(f"{program.connection['host']}/_emulator/switch", json={}, timeout=20).json()
    assert (switches["quota_chats"], switches["round_trip"], switches["rate_limits"]) == (3, 0.01, False)


def test_program_makes_traffic(run: Any) -> None:
    """With traffic on, notifications keep coming by themselves."""
    assert "body" in run("--traffic", "50").get("receiveNotification").json()


def test_program_with_a_taken_port_says_so(run: Any) -> None:
    """The reason is one line, and the exit code isn't 0."""
    port = run().connection["host"].rpartition(":")[2]
    second = subprocess.run([*PROGRAM[:-1], port], capture_output=True, text=True, timeout=20)
    assert second.returncode == 1
    assert "address already in use" in second.stderr.lower()
    assert "Traceback" not in second.stderr


def test_program_can_be_as_the_real_gateway(run: Any) -> None:
    """With one option, and with another that goes before it."""
    program = run("--realistic", "--send-delay", "2", "--no-rate-limits")
    url = f"{program.connection['host']}/_emulator/switch"
    switches = requests.post(url, json={}, timeout=20).json()
    assert (switches["settings_delay"], switches["send_delay"]) == (300, 2)
    assert program.get("getSettings").json()["incomingWebhook"] == "no"


def test_program_with_a_wrong_value_says_so() -> None:
    """In one line, without a traceback."""
    wrong = subprocess.run([*PROGRAM, "--round-trip", "nan"], capture_output=True, text=True, timeout=20)
    assert wrong.returncode != 0
    assert "round_trip must be a number" in wrong.stderr
    assert "Traceback" not in wrong.stderr
