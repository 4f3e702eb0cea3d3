"""The token is in nothing that was ever logged, raised, shown or stored."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import logging
import os
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from airflow.sdk import DAG
from airflow.sdk.bases.operator import chain

from airflow_green_notify import doctor, operators, triggers
from airflow_green_notify.emulator import GreenApiEmulator, example_notifications
from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.hooks import GreenApiHook, rate_limit
from airflow_green_notify.notifiers import GreenApiNotifier
from airflow_green_notify.sensors import GreenApiNotificationSensor
from airflow_green_notify.stores import ObjectStorageStore, SqlStore

pytestmark = pytest.mark.airflow

# Part of every token here: no way of writing a token changes it, short of encoding every byte. Put together,
# since Airflow stores the source of this file with the Dags in it.
CORE = "5ecre7" + "c0re"
TOKENS = [f"{CORE}1234567890abcdef", f"{CORE}/a%b c?d=e&f#g+é\u20ac\"'\\"]
CHAT = "12025550101@c.us"
SHORT = 0.05
BODIES = [envelope["body"] for envelope in example_notifications()]

CALLS: list[tuple[Any, ...]] = [
    ("receive_notification", SHORT),
    ("delete_notification", 1),
    ("get_webhooks_count",),
    ("clear_webhooks_queue",),
    ("get_state_instance",),
    ("get_settings",),
    ("send_message", CHAT, "text"),
    ("send_file", CHAT, __file__),
    ("send_file", CHAT, "https://example.org/a.pdf"),
    ("download_file", CHAT, "AA"),
    ("show_messages_queue",),
    ("last_incoming_messages",),
    ("last_outgoing_messages",),
    ("call", "POST", "archiveChat", {"chatId": CHAT}),
    ("call", "GET", "getContacts", {"group": True}),
    ("call", "GET", "noSuchMethod"),
    ("call", "GET", "no/such/method"),
    ("check_whatsapp", 12025550101),
    ("get_contacts",),
    ("get_contact_info", CHAT),
    ("get_group_data", "120363000000000001@g.us"),
    ("get_message", CHAT, "3EB0C767D097B7C7C030"),
    ("get_chat_history", CHAT),
    ("send_poll", CHAT, "Shall we?", ["yes", "no"]),
    ("send_location", CHAT, 1, 1),
    ("send_contact", CHAT, 12025550101, "Anna"),
    ("forward_messages", CHAT, CHAT, ["3EB0C767D097B7C7C030"]),
    ("edit_message", CHAT, "3EB0C767D097B7C7C030", "text"),
    ("delete_message", CHAT, "3EB0C767D097B7C7C030"),
    ("read_chat", CHAT),
    ("get_messages_count",),
    ("clear_messages_queue",),
    ("set_settings",),
    ("reboot",),
    ("logout",),
    ("qr",),
]

WRONG_CONNECTIONS: dict[str, dict[str, Any]] = {
    "refused": {"host": "http://127.0.0.1:1"},
    "unknown host": {"host": "http://gateway.invalid"},
    "overlong host": {"host": "http://" + "a" * 300 + ".invalid"},
    "no TLS there": {"host": "https://127.0.0.1:{port}"},
    "no gateway there": {"host": "http://127.0.0.1:{port}/no/such/place"},
    "token in host": {"host": "http://x/waInstance1/receiveNotification/{token}"},
    "proxy refused": {
        "host": "http://gateway.invalid",
        "extra": {"proxy": f"http://user:{CORE}@127.0.0.1:1"},
    },
    "proxy is nonsense": {"host": "http://gateway.invalid", "extra": {"proxy": "nonsense://"}},
    "login is nonsense": {"login": "no digits"},
    "no certificate file": {"extra": {"verify": "/no/such/file"}},
    "token in media_url": {"extra": {"media_url": "ftp://{token}"}},
}


def faults(token: str) -> list[tuple[str, dict[str, Any]]]:
    """Whatever can go wrong, with answers that repeat the token where an answer can."""
    echo = f"/waInstance1101000001/receiveNotification/{token} {quote(token, safe='')} {quote(token)}"
    answers = [200, 301, 400, 401, 403, 404, 429, 466, 500, 502]
    status = [("status", {"status": status, "body": echo}) for status in answers]
    as_json = json.dumps({"message": echo, "path": echo, "reason": echo, "description": echo})
    return [
        *status,
        ("status", {"status": 500, "body": as_json}),
        ("status", {"status": 200, "body": json.dumps({"code": 401, "description": echo})}),
        ("status", {"status": 302, "headers": {"Location": "https://elsewhere.invalid/" + quote(token)}}),
        ("500", {}),
        ("cut_before", {}),
        ("cut_after", {}),
        ("truncated", {}),
        ("malformed", {}),
    ]


def spelled_out(text: str) -> str:
    """The text with everything percent-encoded in it undone, twice."""
    return text + unquote(text) + unquote(unquote(text))


class Net:
    """Collects every text of a run, with where it was found."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []

    def take(self, where: str, *things: Any) -> None:
        """Keep both forms in which a thing may be shown."""
        for thing in things:
            self.texts += [(where, str(thing)), (where, repr(thing))]

    def take_error(self, error: BaseException) -> None:
        """Keep an exception with all that hangs on it: arguments, attributes, causes, contexts."""
        self.take("traceback", "".join(traceback.format_exception(error)))
        waiting, seen = [error], set()
        while waiting:
            each = waiting.pop()
            if each is None or id(each) in seen:
                continue
            seen.add(id(each))
            self.take("exception", each, each.args, vars(each), getattr(each, "__notes__", ""))
            waiting += [each.__cause__, each.__context__]
            waiting += [item for item in each.args if isinstance(item, BaseException)]

    def found(self) -> list[tuple[str, str]]:
        """Where the token is, and what stands around it."""
        return [(where, text[max(0, at - 200) : at + 100]) for where, text, at in self._places() if at >= 0]

    def _places(self) -> Iterator[tuple[str, str, int]]:
        for where, text in self.texts:
            spelled = spelled_out(text)
            yield where, spelled, spelled.find(CORE)


class RecordNet(logging.Handler):
    """Puts every log record into a net, before anything could mask it."""

    def __init__(self, net: Net) -> None:
        super().__init__(logging.NOTSET)
        self._net = net
        self._lock_of_net = threading.Lock()
        self.loggers: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if "emulator" in record.name:
            return
        with self._lock_of_net:
            self.loggers.add(record.name)
            self._net.take(f"log {record.name}", record.getMessage(), record.args)
            if record.exc_info and record.exc_info[1]:
                self._net.take_error(record.exc_info[1])


@pytest.fixture
def net() -> Net:
    return Net()


@pytest.fixture
def logs(net: Net, monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordNet]:
    """Every logger at DEBUG, whoever made it, with one handler on all of them."""
    handler = RecordNet(net)
    named = [logging.getLogger(name) for name in list(logging.root.manager.loggerDict)]
    before = [(logger, logger.level) for logger in (logging.root, *named)]
    caught = [logger for logger, _ in before if logger is logging.root or not logger.propagate]
    for logger, _ in before:
        logger.setLevel(logging.DEBUG)
    for logger in caught:
        logger.addHandler(handler)
    logging.captureWarnings(True)
    yield handler
    logging.captureWarnings(False)
    for logger in caught:
        logger.removeHandler(handler)
    for logger, level in before:
        logger.setLevel(level)


@pytest.fixture
def _nothing_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow masks what it knows for a secret; here it must not need to."""
    maskers = {vars(module).get("SecretsMasker") for module in list(sys.modules.values())}
    for masker in maskers - {None}:
        if inspect.isclass(masker):
            monkeypatch.setattr(masker, "add_mask", lambda *args, **kwargs: None)


@pytest.fixture(params=TOKENS, ids=["plain", "odd characters"])
def token(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def green_api_switches(token: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(rate_limit.RateLimit, "take", lambda self: 0.0)
    return {"api_token": token, "rate_limits": False}


@pytest.fixture
def stranger(gateway: GreenApiEmulator, token: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a connection of an instance that the gateway doesn't know: its answer quotes the token."""
    fields = json.loads(gateway.connection) | {"login": "7103999999"}
    monkeypatch.setenv("AIRFLOW_CONN_STRANGER", json.dumps(fields))
    return "stranger"


@pytest.fixture
def gateway(green_api_connection: GreenApiEmulator, _nothing_is_masked: None) -> GreenApiEmulator:
    return green_api_connection


def connect(monkeypatch: pytest.MonkeyPatch, token: str, **fields: Any) -> None:
    connection = {"conn_type": "greenapi", "login": "1101000001", "password": token, **fields}
    monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_DEFAULT", json.dumps(connection))


async def called(net: Net, side: str, *call: Any, max_attempts: int = 1) -> None:
    """Call a method, and keep what it returns or raises, and how everything about it looks afterwards."""
    method, *arguments = call
    hook = GreenApiHook(max_attempts=max_attempts)
    try:
        result = getattr(hook, side + method)(*arguments)
        net.take("result", await result if inspect.isawaitable(result) else result)
    except GreenApiError as error:
        net.take_error(error)
    if "config" in vars(hook):
        net.take("repr", hook, vars(hook), hook.config)
    hook.close()
    await hook.aclose()


def test_net_catches_each_spelling_of_a_token(token: str) -> None:
    """A net that let the token through would prove nothing."""
    every_byte = "".join(f"%{byte:02x}" for byte in token.encode())
    for spelling in (
        token,
        quote(token),
        quote(token, safe=""),
        quote(quote(token)),
        every_byte,
        f"a{token}b",
    ):
        net = Net()
        error = ValueError("outer")
        error.__context__ = KeyError(spelling)
        net.take_error(error)
        assert net.found(), spelling


def test_net_catches_what_any_logger_says(net: Net, logs: RecordNet, token: str) -> None:
    """At DEBUG, from the libraries' loggers and Airflow's, as text, as argument and as exception."""
    for name in ("urllib3.util", "aiohttp.client", "airflow.task.x", "airflow.processor", "new.one"):
        before = len(net.found())
        logging.getLogger(name).debug("connecting to %s", token)
        assert len(net.found()) > before, name


@pytest.mark.parametrize("side", ["", "a"], ids=["sync", "async"])
async def test_no_method_shows_the_token(net: Net, logs: RecordNet, gateway: Any, side: str) -> None:
    """Each method in good times."""
    asyncio.get_running_loop().set_debug(True)
    gateway.push(*BODIES[:3])
    for call in CALLS:
        await called(net, side, *call)
    assert {request["status"] for request in gateway.requests()} <= {200, 400, 404}
    assert not net.found()


@pytest.mark.parametrize("side", ["", "a"], ids=["sync", "async"])
async def test_no_fault_shows_the_token(
    net: Net, logs: RecordNet, gateway: Any, token: str, side: str
) -> None:
    """Each method under each fault, though the gateway itself repeats the token in its answers."""
    for kind, details in faults(token):
        gateway.fault(kind, times=None, **details)
        for call in (CALLS[0], CALLS[1], CALLS[6], CALLS[7], CALLS[13], CALLS[14]):
            await called(net, side, *call)
        gateway.clear_faults()
    gateway.fault("500", times=2)
    await called(net, side, *CALLS[0], max_attempts=2)
    assert sum(where == "exception" for where, _ in net.texts) > 100
    assert not net.found()


@pytest.mark.parametrize("side", ["", "a"], ids=["sync", "async"])
@pytest.mark.parametrize("fields", WRONG_CONNECTIONS.values(), ids=WRONG_CONNECTIONS)
async def test_no_wrong_connection_shows_the_token(
    net: Net, logs: RecordNet, gateway: Any, token: str, side: str, fields: Any, monkeypatch: Any
) -> None:
    """Hosts that refuse, don't exist, speak no TLS or aren't the gateway, and fields that hold nonsense."""
    text = json.dumps(fields).replace("{port}", str(gateway.port)).replace("{token}", quote(token, safe=""))
    connect(monkeypatch, token, **json.loads(text))
    await called(net, side, *CALLS[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    net.take("test_connection", GreenApiHook().test_connection())
    assert not net.found()


async def test_no_wrong_token_is_shown(net: Net, logs: RecordNet, gateway: Any, monkeypatch: Any) -> None:
    """A token that the gateway refuses may be another instance's good one."""
    for wrong in (f"{CORE}wrong", f"/{CORE}?", f"{CORE}\n{CORE}", f"{CORE}\x00"):
        connect(monkeypatch, wrong, host=gateway.url)
        for side in ("", "a"):
            await called(net, side, *CALLS[0])
    assert not net.found()


@pytest.mark.filterwarnings("ignore")
async def test_no_forgotten_hook_shows_the_token(net: Net, logs: RecordNet, gateway: Any) -> None:
    """Python and aiohttp complain of what wasn't closed, and of what was cancelled half-way."""
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.set_exception_handler(lambda loop, context: net.take("loop", context))
    hook = GreenApiHook(max_attempts=1)
    await hook.areceive_notification(SHORT)
    hook.receive_notification(SHORT)
    waiting = asyncio.create_task(hook.areceive_notification(60))
    await asyncio.sleep(SHORT)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    net.take("task", waiting)
    session = hook._aiohttp._shared.session  # type: ignore[union-attr]
    net.take("session", session, vars(session), session.connector)
    await session.close()
    del hook, session, waiting
    gc.collect()
    assert not net.found()


def test_no_doctor_shows_the_token(
    net: Net, logs: RecordNet, gateway: Any, token: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is printed to be passed on to somebody who helps is safe to pass on."""
    gateway.fault("status", status=403, body=quote(token), method="getSettings", times=None)
    for arguments in ([], ["--json"]):
        with pytest.raises(SystemExit):
            doctor.main(arguments)
    net.take("doctor", *capfd.readouterr())
    assert not net.found()


async def test_no_trigger_shows_the_token(net: Net, logs: RecordNet, gateway: Any, stranger: str) -> None:
    """What a trigger is made of, what it says of itself, and what it yields."""
    gateway.push(BODIES[0])
    for trigger in (
        triggers.GreenApiDoorbellTrigger(receive_timeout=0.1),
        triggers.GreenApiDoorbellTrigger(["green_api_default", stranger], receive_timeout=0.1, min_waiting=2),
        triggers.GreenApiHeadTrigger(receive_timeout=0.1),
        triggers.GreenApiDeliveryTrigger("green_api_default", CHAT, "3EB0", 0.0, "read", 0.0, 0.1),
    ):
        events = trigger.run()
        net.take("trigger", trigger, trigger.serialize(), vars(trigger), await anext(events))
        await events.aclose()
        await trigger.cleanup()
    assert not net.found()


def stored_in(folder: str) -> Iterator[tuple[str, str]]:
    """Everything in all files and SQLite tables below a folder."""
    for path in Path(folder).rglob("*"):
        if path.is_file() and path.stat().st_size:
            yield str(path), path.read_bytes().decode("latin-1")
            if path.suffix in (".db", ".sqlite"):
                with sqlite3.connect(path) as database:
                    yield f"{path} (dump)", "\n".join(database.iterdump())


@pytest.mark.parametrize("token", TOKENS[1:], indirect=True, ids=["odd characters"])
def test_no_run_of_a_dag_shows_the_token(
    net: Net,
    logs: RecordNet,
    gateway: Any,
    stranger: str,
    run_dag: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: Any,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Logs, XComs, rendered templates, runs and failures: nothing in Airflow's database or files has it."""
    database = f"sqlite:///{tmp_path}/store.db"
    monkeypatch.setenv(
        "AIRFLOW_CONN_STORE", json.dumps({"conn_type": "sqlite", "host": f"{tmp_path}/store.db"})
    )
    gateway.push(*BODIES[:9])
    gateway.fault("500_after", method="deleteNotification")
    gateway.fault("500", method="sendMessage", times=None, after=1)
    notifier = GreenApiNotifier(chat_id=CHAT)
    with DAG("secrets", schedule=None) as dag:
        sensor = GreenApiNotificationSensor(task_id="sense", receive_timeout=0.1)
        receive = operators.GreenApiReceiveNotificationOperator(task_id="receive", receive_timeout=0.1)
        tasks = [
            sensor,
            receive,
            operators.GreenApiDeleteNotificationOperator(
                task_id="delete", notification=receive.output, receive_timeout=0.1
            ),
            operators.GreenApiDrainNotificationsOperator(
                task_id="drain_files",
                store=ObjectStorageStore(f"file://{tmp_path}/batches"),
                max_notifications=4,
            ),
            operators.GreenApiDrainNotificationsOperator(
                task_id="drain_sql", store=SqlStore("store"), max_notifications=4
            ),
            operators.GreenApiDrainNotificationsOperator(
                task_id="drain_fleet",
                green_api_conn_id=["green_api_default", stranger],
                on_instance_error="warn",
                store=SqlStore("store"),
                max_seconds=1,
            ),
            operators.GreenApiCallOperator(task_id="call", verb="GET", method="getSettings"),
            operators.GreenApiSendPollOperator(
                task_id="poll",
                chat_id=CHAT,
                message="{{ run_id }}",
                options=["yes", "no"],
                wait_for="sent",
                deferrable=True,
            ),
            operators.GreenApiSendMessageOperator(task_id="send", chat_id=CHAT, message="{{ run_id }}"),
            operators.GreenApiSendMessageOperator(
                task_id="fail", chat_id=CHAT, message="text", on_failure_callback=notifier
            ),
        ]
        chain(*tasks)
    run = run_dag(dag)
    states = {ti.task_id: ti.state for ti in run.get_task_instances()}
    assert states.pop("fail") in ("failed", "up_for_retry")
    assert set(states.values()) == {"success"}, (states, database)

    net.take("operators", notifier, vars(notifier), *tasks, *(vars(each) for each in tasks))
    net.take("printed", *capfd.readouterr())
    stored = [*stored_in(os.environ["AIRFLOW_HOME"]), *stored_in(str(tmp_path))]
    assert any("green_api_notifications" in text for _, text in stored)
    assert any("rendered_task_instance_fields" in text for _, text in stored)
    net.texts += stored
    assert {"urllib3.connectionpool"} <= logs.loggers
    assert not net.found()
