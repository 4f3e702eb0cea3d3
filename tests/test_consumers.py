"""The command that lists who reads a store and how far behind, and forgets one."""

from __future__ import annotations

import json
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify import consumers, doctor
from airflow_green_notify.cli import get_cli_commands
from airflow_green_notify.consume import read_new
from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.stores import SqlStore
from tests.stores.test_stream import notification, put


@pytest.fixture(autouse=True)
def _process_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command changes it for its own process, which here goes on."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlStore:
    """A store of five that one consumer has read three of; another left its page open."""
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps({"conn_type": "sqlite", "host": f"{tmp_path}/s.db"}))
    store = SqlStore("store")
    put(store, *map(notification, range(5)))
    with read_new(store, "billing", page_size=3):
        pass
    with suppress(KeyError), read_new(store, "support", page_size=2):
        raise KeyError
    return store


def run(capsys: pytest.CaptureFixture[str], *arguments: str, module: Any = consumers) -> tuple[int, str]:
    """Run the command and return its exit code and what it printed."""
    with pytest.raises(SystemExit) as ended:
        module.main(arguments)
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out + printed.err


@pytest.mark.usefixtures("store")
def test_consumers_lists_position_lag_and_open_page(capsys: pytest.CaptureFixture[str]) -> None:
    """As a table, or as JSON."""
    code, text = run(capsys, "store")
    assert code == 0
    head, billing, support = text.splitlines()
    assert head.split() == ["consumer", "position", "behind", "page", "reader", "changed"]
    assert billing.split()[:5] == ["billing", "3", "2", "-", "-"]
    assert support.split()[:7] == ["support", "0", "5", "1", "to", "2", "process"]
    billing, support = json.loads(run(capsys, "store", "--json")[1])
    assert (billing["consumer"], billing["position"], billing["behind"]) == ("billing", 3, 2)
    assert (support["page_end"], billing["page_end"]) == (2, None)


def test_consumer_that_works_chat_by_chat_is_behind_by_what_it_has_not_handled(
    store: SqlStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it has merely taken in is not done: the second is still to be handled."""
    with closing(store.work("bot", lambda _: True, 20.0)) as work:
        work.begin("beginning")
        assert work.take_in(100) == 5
        claims = [work.claim([]) for _ in range(5)]
        for number, claim in enumerate(claims):
            assert number == 1 or work.finish(claim)
        bot = next(
            each for each in json.loads(run(capsys, "store", "--json")[1]) if each["consumer"] == "bot"
        )
        assert (bot["position"], bot["behind"]) == (1, 4)
        assert work.finish(claims[1])
    bot = next(each for each in json.loads(run(capsys, "store", "--json")[1]) if each["consumer"] == "bot")
    assert (bot["position"], bot["behind"]) == (5, 0)


def test_consumer_is_forgotten(store: SqlStore, capsys: pytest.CaptureFixture[str]) -> None:
    """It begins anew; a name that isn't there changes nothing."""
    assert run(capsys, "store", "--forget", "biling\x1b") == (
        1,
        "There is no consumer 'biling\\x1b' in this store.\n",
    )
    assert run(capsys, "store", "--forget", "billing")[0] == 0
    with closing(store.stream()) as stream:
        assert [each.name for each in stream.consumers()] == ["support"]
    # The row that counts what was numbered is no consumer.
    assert run(capsys, "store", "--forget", "")[0] == 1
    put(store, notification(9), batch_id="another")
    with read_new(store, "billing") as page:
        assert (page.until, len(page)) == (6, 6)


def test_store_without_consumers_says_so(store: SqlStore, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to list is a sentence, too."""
    for name in ("billing", "support"):
        run(capsys, "store", "--forget", name)
    assert run(capsys, "store") == (0, "The store has no consumers.\n")


@pytest.mark.usefixtures("store")
def test_store_that_is_not_there_is_not_created(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong table or connection is an error in words."""
    for _ in range(2):
        code, text = run(capsys, "store", "--table", "nowhere")
        assert code == 2
        assert "nowhere" in text
    assert run(capsys, "missing")[0] == 2


def test_command_is_one_of_airflows() -> None:
    """``airflow green-api consumers`` has the same arguments."""
    pytest.importorskip("airflow.cli.cli_config")
    (group,) = get_cli_commands()
    assert "consumers" in [each.name for each in group.subcommands]


@pytest.mark.usefixtures("store")
@pytest.mark.slow
def test_doctor_lists_the_consumers_of_a_store(
    green_api_connection: GreenApiEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """How far behind they are makes no instance unhealthy; a store that isn't there does."""
    code, text = run(capsys, "--store", "store", module=doctor)
    assert "\n\nconsumer  position  behind" in text
    assert code == run(capsys, module=doctor)[0]
    found = json.loads(run(capsys, "--store", "store", "--json", module=doctor)[1])
    assert [each["behind"] for each in found["consumers"]] == [2, 5]
    assert found["instances"]["connection"] == "green_api_default"
    assert run(capsys, "--store", "missing", module=doctor)[0] == 2


@pytest.mark.usefixtures("store")
def test_name_of_a_table_that_is_none_is_refused_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """As a store that can't be read is."""
    code, text = run(capsys, "store", "--table", "")
    assert (code, "it must be the name of a table" in text) == (2, True)
