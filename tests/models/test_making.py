"""Making the models: again, at once, after an upgrade, beside what is somebody else's, over odd bodies."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_green_notify import make_models
from airflow_green_notify.cli import get_cli_commands
from airflow_green_notify.consume.erasing import erase
from airflow_green_notify.emulator import example_notifications
from airflow_green_notify.errors import GreenApiConfigError, NotificationStoreError
from airflow_green_notify.models.making import VIEWS, create_models
from airflow_green_notify.operators import GreenApiCreateModelsOperator
from airflow_green_notify.stores import SqlStore
from airflow_green_notify.stores.sql.database import Database
from tests.models.conftest import (
    ANNA,
    BORIS,
    GROUP,
    INSTANCE,
    LID,
    OTHER,
    TELEGRAM,
    about,
    all_rows,
    by_bot,
    by_human,
    call,
    message,
    poll,
    put,
    rows,
    state,
    status,
)
from tests.odd_bodies import ODD, PORTABLE

ORDERS = 100


@contextmanager
def opened(store: SqlStore) -> Iterator[Callable[[str], Any]]:
    """What runs a statement in the store's database."""
    with closing(Database(store.conn_id)) as database:
        yield lambda text: database.execute_text(text.replace("{table}", store.table), ())


def story() -> list[Any]:
    """Notifications of all kinds: the examples, and such as follow from each other, some within a second."""
    chance = random.Random(7)
    bodies: list[Any] = [each["body"] for each in example_notifications()]
    for n in range(30):
        instance = chance.choice([INSTANCE, OTHER, TELEGRAM])
        chat = chance.choice(["10000042", "-10000043"] if instance == TELEGRAM else [ANNA, BORIS, LID, GROUP])
        more = {"chat": chat, "instance": instance, "sender": chance.choice([chat, LID])}
        make = chance.choice([message, message, by_bot, by_human])
        at, target = chance.choice([n, n * 300]), f"S{n % 22}"
        bodies.append(make(target, at, f"{n} ж \U0001f600", **more))
        for kind in ("editedMessage", "deletedMessage", "reactionMessage"):
            if chance.random() < 0.3:
                bodies.append(
                    about(f"{target}{kind}{n}", at + chance.choice([0, 1]), target, kind, f"x{n}", **more)
                )
        bodies += [
            status(target, at + chance.choice([0, 1, 2]), word, instance=instance, chatId=chat)
            for word in ("sent", "delivered", "read", "failed")
            if chance.random() < 0.4
        ]
    options = [{"optionName": "Now"}, {"optionName": "Later"}]
    votes = [
        {"optionName": "Now", "optionVoters": [ANNA, BORIS]},
        {"optionName": "Later", "optionVoters": []},
    ]
    bodies += [poll("P", 1, options=options), poll("U", 2, stanzaId="P", votes=votes)]
    bodies += [call("C", 1, "offer"), call("C", 1, "pickUp"), state(3, "blocked"), state(3, "authorized")]
    return bodies


@pytest.mark.slow
def test_rows_are_the_same_on_each_database_in_any_order_of_arrival(
    make_store: Callable[[str], Any],
) -> None:
    """A hundred orders, in each of which some come twice; the order within a second is that of the keys."""
    bodies = story()
    expected: Any = None
    for kind in ("sqlite", "postgres", "mariadb"):
        store = make_store(kind)
        create_models(store)
        chance = random.Random(kind)
        with opened(store) as run:
            for order in range(ORDERS):
                shuffled = [*bodies, *chance.sample(bodies, 20)]
                chance.shuffle(shuffled)
                put(store, shuffled, f"dag/{order}/drain/-1")
                found = all_rows(store)
                if expected is None:
                    expected = found
                    assert all(expected.values())
                for view in VIEWS:
                    assert found[view] == expected[view], (kind, order, view)
                run("DELETE FROM {table}")


@pytest.mark.parametrize("contact", [ANNA, LID])
def test_what_is_erased_is_gone_from_the_views(sql_store: Any, contact: str) -> None:
    """They hold no data: nothing of them has to be made again."""
    create_models(sql_store)
    put(sql_store, [message("A", 0), message("B", 1, sender=LID), message("C", 2, chat=BORIS, name="Boris")])
    assert contact in json.dumps(all_rows(sql_store))
    erase(sql_store, [contact])
    left = json.dumps(all_rows(sql_store))
    assert (ANNA in left, LID in left, "Anna" in left) == (False, False, False)
    assert [row["contact_key"] for row in rows(sql_store, "contacts")] == [BORIS]


def test_odd_bodies_stop_no_view(sql_store: Any) -> None:
    """PostgreSQL's JSON refuses NUL, lone surrogates and NaN: one such body must not hide the others."""
    create_models(sql_store)
    odd = [
        message(
            f"M{n}",
            n,
            data={"typeMessage": "textMessage", "textMessageData": {"textMessage": name}, "odd": value},
        )
        for n, (name, value) in enumerate((PORTABLE | ODD).items())
    ]
    newest = message("N", 100, "the newest")
    put(sql_store, [*ODD.values(), *PORTABLE.values(), *odd, newest])
    texts = {row["text"] for row in rows(sql_store, "messages") if row["id_message"]}
    assert texts == {*ODD, *PORTABLE, "the newest"}
    assert [row["name"] for row in rows(sql_store, "chats")] == ["Anna"]
    all_rows(sql_store)


def test_ids_of_any_length_are_stored_once_there_are_models(sql_store: Any) -> None:
    """An index of PostgreSQL takes 2,700 bytes; a row that it refused would block the queue."""
    create_models(sql_store)
    chance = random.Random(1)

    def long() -> str:
        return "".join(chance.choices("ждать0123456789abcdef", k=9000))

    put(
        sql_store,
        [message(long(), 0, chat=long(), sender=long()), about(long(), 0, long(), "editedMessage", "x")],
    )
    put(sql_store, [message("A", 1, chat=f"{long()}@c.us", sender=f"{long()}@lid")], "dag/2/drain/-1")
    assert len(rows(sql_store, "messages")) == 2


@pytest.mark.slow
def test_models_are_made_again_and_by_two_at_once(sql_store: Any) -> None:
    """None of them fails, and the views are there once."""
    put(sql_store, [message("A", 0)])
    failed: list[BaseException] = []

    def make() -> None:
        try:
            create_models(sql_store)
        except BaseException as error:
            failed.append(error)

    both = [threading.Thread(target=make) for _ in range(3)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert failed == []
    assert create_models(sql_store) == [f"{sql_store.table}__{view}" for view in VIEWS]
    assert [row["text"] for row in rows(sql_store, "messages")] == ["Hello"]


def test_view_that_is_as_it_should_be_is_left_alone(make_store: Callable[[str], Any]) -> None:
    """To replace it PostgreSQL would wait for all who read it, and let others wait behind that."""
    store = make_store("postgres")
    name = "ev_class::regclass::text"
    written = f"SELECT {name}, xmin::text FROM pg_rewrite WHERE {name} LIKE '{store.table}%%'"

    def state_of_views() -> set[Any]:
        with closing(Database("store")) as database:
            return {tuple(row) for row in database.transaction(lambda c: c.exec_driver_sql(written).all())}

    create_models(store)
    first = state_of_views()
    create_models(store)
    assert len(first) == len(VIEWS)
    assert state_of_views() == first
    create_models(store, silence=60)
    assert {name for name, _ in state_of_views() - first} == {f"{store.table}__conversations"}


@pytest.mark.parametrize("kind", ["VIEW {table}__chats AS SELECT 1 AS one", "TABLE {table}__chats (one INT)"])
def test_what_somebody_else_made_is_left_alone(sql_store: Any, kind: str) -> None:
    """It is named, and a retry would not help."""
    with opened(sql_store) as run:
        run(f"CREATE {kind}")
    with pytest.raises(
        GreenApiConfigError, match=r"__chats\W* is there, and airflow_green_notify did not make it"
    ):
        create_models(sql_store)
    put(sql_store, [message("A", 0)])
    with closing(Database("store")) as database:
        found = database.transaction(
            lambda connection: connection.exec_driver_sql(f"SELECT * FROM {sql_store.table}__chats").keys()
        )
    assert [*found] == ["one"]


def test_view_of_an_older_version_is_replaced(sql_store: Any) -> None:
    """It may have had other columns."""
    create_models(sql_store)
    with opened(sql_store) as run:
        run("DROP VIEW {table}__chats")
        run("CREATE VIEW {table}__chats AS SELECT 'made by airflow_green_notify' AS old, 1 AS chat_id")
    create_models(sql_store)
    put(sql_store, [message("A", 0)])
    assert [row["chat_id"] for row in rows(sql_store, "chats")] == [ANNA]


def test_index_that_was_interrupted_is_made_again(make_store: Callable[[str], Any]) -> None:
    """PostgreSQL leaves one that is of no use."""
    store = make_store("postgres")
    create_models(store)
    name = f"ix_{store.table}_model_target"
    is_valid = f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{name}'::regclass"
    with closing(Database("store")) as database:
        database.execute_text(
            f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass", ()
        )
        create_models(store)
        ((found,),) = database.transaction(lambda connection: connection.exec_driver_sql(is_valid).all())
    assert found


def test_models_in_a_schema(make_store: Callable[[str], Any]) -> None:
    """They lie beside the table."""
    make_store("postgres")
    with closing(Database("store")) as database:
        database.execute_text("CREATE SCHEMA IF NOT EXISTS models", ())
    store = SqlStore("store", table="models.of notifications")
    names = create_models(store)
    assert names[0] == 'models."of notifications__messages"'
    assert create_models(store) == names


def test_silence_has_bounds(make_store: Callable[[str], Any]) -> None:
    """What no database can count with is refused before anything is made."""
    with pytest.raises(GreenApiConfigError, match="silence is 1000000000000"):
        create_models(make_store("sqlite"), silence=1e12)


def test_database_that_is_not_there_is_an_error_that_a_retry_may_mend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As for all that a store does."""
    monkeypatch.setenv(
        "AIRFLOW_CONN_STORE", json.dumps({"conn_type": "sqlite", "host": "/nowhere/at/all.db"})
    )
    with pytest.raises(NotificationStoreError, match="The models of t of connection 'store'"):
        create_models(SqlStore("store", table="t"))


# --- the operator and the command ---


def test_operator_makes_views_and_returns_their_names(
    run_dag: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Templates are rendered, in the store, too."""
    monkeypatch.setenv(
        "AIRFLOW_CONN_STORE", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "s.db")})
    )
    with DAG("dag_of_models", schedule=None, params={"conn": "store", "silence": 60}) as dag:
        GreenApiCreateModelsOperator(
            task_id="models", store=SqlStore("{{ params.conn }}", table="t"), silence="{{ params.silence }}"
        )
    ti = run_dag(dag).get_task_instance("models")
    assert ti.xcom_pull(task_ids="models") == [f"t__{view}" for view in VIEWS]
    store = SqlStore("store", table="t")
    put(store, [message("A", 0), message("B", 2)])
    assert len(rows(store, "conversations")) == 2


def test_name_that_is_taken_fails_the_task_without_a_retry(
    run_dag: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log says which."""
    monkeypatch.setenv(
        "AIRFLOW_CONN_STORE", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "s.db")})
    )
    store = SqlStore("store", table="t")
    with opened(store) as run:
        run("CREATE TABLE t__chats (one INT)")
    with DAG("dag_of_taken_name", schedule=None) as dag:
        GreenApiCreateModelsOperator(task_id="models", store=store, retries=2)
    ti = run_dag(dag).get_task_instance("models")
    assert (ti.state, ti.try_number) == ("failed", 1)


def test_command_makes_views(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names them; what is wrong is said in one line, with another exit code."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")
    monkeypatch.setenv(
        "AIRFLOW_CONN_STORE", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "s.db")})
    )

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            make_models.main(["--conn-id", "store", "--table", "t", *arguments])
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out + printed.err

    names = [f"t__{view}" for view in VIEWS]
    assert run() == (0, "\n".join(names) + "\n")
    code, text = run("--json", "--silence", "0.5")
    assert (code, json.loads(text)) == (0, names)
    put(SqlStore("store", table="t"), [message("A", 0), message("B", 31)])
    assert len(rows(SqlStore("store", table="t"), "conversations")) == 2
    with opened(SqlStore("store", table="t")) as statement:
        statement("DROP VIEW t__polls")
        statement("CREATE TABLE t__polls (one INT)")
    assert run()[0] == 2
    assert run("--silence", "0")[0] == 2


def test_airflow_has_the_command() -> None:
    """``airflow green-api models`` has the same arguments."""
    pytest.importorskip("airflow.cli.cli_config")
    (group,) = get_cli_commands()
    (command,) = [each for each in group.subcommands if each.name == "models"]
    assert [arg.flags[0] for arg in command.args] == ["--conn-id", "--table", "--silence", "--json"]
    assert command.func.__name__ == "command"
