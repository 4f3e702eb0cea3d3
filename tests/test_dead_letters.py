"""The command that lists dead letters, shows one, lets them be replayed, and drops them."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify import dead_letters
from airflow_green_notify.consume.dead_letters import (
    drop_dead_letters,
    read_dead_letters,
    replay_dead_letters,
)
from airflow_green_notify.filters import NotificationFilter
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import ObjectStorageStore, SqlStore
from airflow_green_notify.stores.dead_letter import Failure, dead_letter, note_of

START = datetime(2026, 11, 1, tzinfo=UTC)
HOSTILE = "two\nlines \x1b[31m \u202e"


@pytest.fixture(autouse=True)
def _process_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command changes it for its own process, which here goes on."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")


def notification(number: int, kind: str = "incomingMessageReceived") -> Notification:
    chat = {"chatId": f"{number}@c.us"}
    return Notification(
        1, {"typeWebhook": kind, "senderData": chat, "number": number}, START + timedelta(minutes=number)
    )


KEYS = [notification(number).key for number in range(4)]


@pytest.fixture(params=["sql", "files"])
def named(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What names a store of each kind to the command; three notifications were given up in it."""
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps({"conn_type": "sqlite", "host": f"{tmp_path}/s.db"}))
    named = "store" if request.param == "sql" else str(tmp_path / "files")
    with store_of(named).open("dag/run/process/-1") as opened:
        for number, error in enumerate([KeyError("name"), ValueError(HOSTILE), None]):
            first, last = Failure.of(KeyError("name"), 1), Failure.of(error, 3)
            opened.put(*dead_letter(notification(number), note_of(first, last, task="dag/process")))
        opened.put(notification(3))
    return named


def store_of(named: str) -> SqlStore | ObjectStorageStore:
    return ObjectStorageStore(named) if "/" in named else SqlStore(named)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run the command and return its exit code and what it printed."""
    with pytest.raises(SystemExit) as ended:
        dead_letters.main(arguments)
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out + printed.err


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    code, text = run(capsys, *arguments, "--json")
    assert code == 0
    return json.loads(text)


def keys_of(listed: list[dict[str, Any]]) -> list[str]:
    return [each["key"] for each in listed]


def marked(named: str, task: str = "dag/process") -> list[tuple[str, float | None]]:
    with store_of(named).open("dag/run/another/-1"), closing(store_of(named).dead_letters()) as letters:
        return [(each.letter.notification.key, each.rate) for each in letters.marked(task, 10)]


def test_list_tells_of_each_what_went_wrong(named: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In words or as JSON, in the order of their receipt; texts of errors steer no terminal."""
    code, text = run(capsys, named)
    assert code == 0
    lines = text.splitlines()
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    assert lines[0].startswith(f"{KEYS[0]} {START.isoformat()} 0@c.us incomingMessageReceived: all attempts")
    assert "after 3 attempts of dag/process; first KeyError: 'name' (20" in lines[1]
    assert "last ValueError: two" in lines[1]
    assert "the process died after 3 attempts" in lines[2]
    found = listed(capsys, named)
    assert keys_of(found) == KEYS[:3]
    assert [each["reason"] for each in found] == ["max_attempts", "max_attempts", "process_died"]
    assert (found[1]["first_error_type"], found[1]["error_type"]) == ("KeyError", "ValueError")
    assert "body" not in found[0]


def test_list_goes_on_behind_a_letter(named: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A part at a time; a key that isn't there is told."""
    assert keys_of(listed(capsys, named, "--limit", "2")) == KEYS[:2]
    assert keys_of(listed(capsys, named, "--limit", "2", "--after", KEYS[1])) == KEYS[2:3]
    assert listed(capsys, named, "--after", KEYS[2]) == []
    assert run(capsys, named, "--after", KEYS[3])[0] == 1


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        (["--error-type", "KeyError"], [0, 1, 2]),
        (["--error-type", "ProcessDied"], [2]),
        (["--chat", "1@c.us"], [1]),
        (["--chat", "1@c.us", "--error-type", "ProcessDied"], []),
        (["--type-webhook", "incomingMessageReceived"], [0, 1, 2]),
        (["--type-webhook", "incomingCall"], []),
    ],
)
def test_filters_choose(
    arguments: list[str], numbers: list[int], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each dead letter that fits all of them, and no other, is listed, marked and dropped."""
    chosen = [KEYS[number] for number in numbers]
    assert keys_of(listed(capsys, named, "list", *arguments)) == chosen
    assert run(capsys, named, "replay", *arguments)[0] == 0
    assert [key for key, _ in marked(named)] == chosen
    assert run(capsys, named, "drop", *arguments) == (0, f"Dropped {len(chosen)} dead letters.\n")
    assert keys_of(listed(capsys, named)) == [key for key in KEYS[:3] if key not in chosen]


def test_show_tells_the_whole_body(named: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By the key of the notification, or of the dead letter; without a key there is nothing to show."""
    (shown,) = listed(capsys, named, "show", KEYS[1])
    assert shown["body"] == notification(1).body
    assert listed(capsys, named, "show", shown["dead_letter_key"]) == [shown]
    assert run(capsys, named, "show")[0] == 2


def test_replay_marks_for_the_task_that_gave_up(named: str, capsys: pytest.CaptureFixture[str]) -> None:
    """At a rate, or for another task; the list tells what is marked."""
    code, text = run(capsys, named, "replay", KEYS[2], KEYS[0], "--rate", "2.5/s")
    assert (code, text) == (0, "Marked 2 for dag/process, whose next run replays them.\n")
    assert marked(named) == [(KEYS[0], 2.5), (KEYS[2], 2.5)]
    assert [each["is_marked"] for each in listed(capsys, named)] == [True, False, True]
    assert run(capsys, named)[1].splitlines()[0].endswith("; to be replayed")
    assert run(capsys, named, "replay", "--all", "--by-task", "dag/renamed", "--json")[0] == 0
    assert marked(named) == []
    assert marked(named, "dag/renamed") == [(key, None) for key in KEYS[:3]]


@pytest.mark.parametrize("action", ["replay", "drop"])
def test_nothing_is_done_unless_it_is_said_to_which(
    action: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor if one of the keys is wrong: that of something which is no dead letter, say."""
    assert run(capsys, named, action)[0] == 2
    code, text = run(capsys, named, action, KEYS[0], KEYS[3])
    assert code == 1
    assert f"There is no dead letter '{KEYS[3]}' in this store." in text
    assert len(listed(capsys, named)) == 3
    assert marked(named) == []


@pytest.mark.parametrize("rate", ["0", "-1/s", "nan", "inf"])
def test_rate_that_is_none_is_refused(rate: str, named: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is marked then."""
    assert run(capsys, named, "replay", "--all", f"--rate={rate}")[0] == 2
    assert marked(named) == []


def test_store_without_dead_letters_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a sentence, or as an empty list."""
    assert run(capsys, str(tmp_path)) == (0, "There are no dead letters.\n")
    assert listed(capsys, str(tmp_path)) == []
    assert run(capsys, str(tmp_path), "replay", "--all") == (0, "There are no such dead letters.\n")


def test_store_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong table or connection is an error in words, and no new table."""
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps({"conn_type": "sqlite", "host": f"{tmp_path}/s.db"}))
    for action in (["list"], ["replay", "--all"], ["drop", "--all"], ["show", KEYS[0]]):
        code, text = run(capsys, "store", *action, "--table", "nowhere")
        assert (code, "nowhere" in text) == (2, True)
    assert run(capsys, "missing")[0] == 2


def test_functions_serve_tasks_too(named: str) -> None:
    """What the command does a task may do: read, let replay, drop."""
    store = store_of(named)
    letters = [*read_dead_letters(store, matching=lambda each: each.body["number"] != 1)]
    assert [letter.notification.key for letter in letters] == [KEYS[0], KEYS[2]]
    matching = NotificationFilter(chat_id="2@c.us")
    assert replay_dead_letters(store, matching=matching, rate=1.0) == {"dag/process": 1}
    assert drop_dead_letters(store, everything=True) == 3
    assert [*read_dead_letters(store)] == []


def test_filter_that_fails_drops_nothing(named: str) -> None:
    """An error is no match."""

    def fails(notification: Notification) -> bool:
        raise KeyError("name")

    assert drop_dead_letters(store_of(named), matching=fails) == 0


def test_command_is_a_program_of_its_own(tmp_path: Path) -> None:
    """On Airflow 3.1, which asks no provider for commands."""
    command = [sys.executable, "-m", "airflow_green_notify.dead_letters", str(tmp_path), "list", "--json"]
    assert json.loads(subprocess.run(command, capture_output=True, check=True).stdout) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("drop", "--all", "--limit", "1"),
        ("drop", "--all", "--by-task", "dag/process"),
        ("replay", "--all", "--after", KEYS[0]),
        ("list", "--rate", "5/s"),
    ],
)
def test_option_of_another_action_is_refused(
    arguments: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who limits what is to be dropped would lose all of it."""
    code, text = run(capsys, named, *arguments)
    assert (code, "is an option of" in text) == (2, True)
    assert keys_of(listed(capsys, named)) == KEYS[:3]
    assert not any(each["is_marked"] for each in listed(capsys, named))
