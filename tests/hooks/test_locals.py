"""No frame that raises has the token within reach: some tools report the locals of every frame."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import quote

import pytest

import airflow_green_notify
from airflow_green_notify import operators
from airflow_green_notify.errors import GreenApiConfigError, GreenApiError
from airflow_green_notify.hooks import GreenApiHook

SHORT = 0.05
PACKAGE = str(Path(airflow_green_notify.__file__).parent)
TOKEN = "d75b3a66374942c5b3c019c698abc2067e151558acbd412345"
ECHO = f"/waInstance1101000001/receiveNotification/{TOKEN}"


def chained(error: BaseException | None) -> Iterator[BaseException]:
    """The error with all causes and contexts."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def frames(error: BaseException) -> Iterator[FrameType]:
    """The frames of this package in all tracebacks."""
    for each in chained(error):
        for frame, _ in traceback.walk_tb(each.__traceback__):
            if frame.f_code.co_filename.startswith(PACKAGE):
                yield frame


def with_token(error: BaseException) -> list[str]:
    """Where the token is among the locals, as a tool would show them."""
    return [
        f"{frame.f_code.co_qualname}: {name}"
        for frame in frames(error)
        for name, value in frame.f_locals.items()
        if TOKEN in repr(value)
    ]


ANSWERS = {
    "401": ("401 Unauthorized", ECHO),
    "403": ("403 Forbidden", json.dumps({"message": "Forbidden", "path": ECHO})),
    "500": ("500 Internal Server Error", json.dumps({"message": "x", "path": ECHO})),
    "302": ("302 Found", ECHO),
    "429": ("429 Too Many Requests", ECHO),
    "200 without receiptId": ("200 OK", json.dumps({"path": ECHO})),
    "200 with a code": ("200 OK", json.dumps({"code": 401, "description": ECHO})),
    "200 that is no JSON": ("200 OK", f"<html>{ECHO}"),
    "200 that is too large": ("200 OK", ECHO + " " * 33 * 2**20),
    "200 of many values": ("200 OK", ECHO + "[" * 400_000),
}


@pytest.mark.parametrize(("status", "body"), ANSWERS.values(), ids=ANSWERS)
async def test_refused_call_has_no_token_among_its_locals(
    ask: Any, make_hook: Any, connect: Any, listen: Any, status: str, body: str
) -> None:
    """Whatever the gateway answers, and though it repeats the path."""
    connect(listen(listen.answer(body.encode(), status, Location="https://elsewhere.invalid")).url)
    with pytest.raises(GreenApiError) as caught:
        await ask(make_hook(max_attempts=2), "receive_notification", SHORT)
    assert len(list(frames(caught.value))) > 2
    assert with_token(caught.value) == []


async def test_refused_clearing_has_no_token_among_its_locals_nor_in_its_text(
    ask: Any, make_hook: Any, connect: Any, listen: Any
) -> None:
    """A reason inside a good answer is the gateway's own word too."""
    connect(listen(listen.answer(json.dumps({"isCleared": False, "reason": ECHO}).encode())).url)
    with pytest.raises(GreenApiError) as caught:
        await ask(make_hook(max_attempts=1), "clear_webhooks_queue")
    assert with_token(caught.value) == []
    assert TOKEN not in repr(vars(caught.value)) + str(caught.value)


@pytest.mark.parametrize("host", ["http://127.0.0.1:1", "http://gateway.invalid", "https://127.0.0.1:{port}"])
async def test_call_without_an_answer_has_no_token_among_its_locals(
    ask: Any, make_hook: Any, connect: Any, gateway: Any, host: str
) -> None:
    """Nobody there, no such name, no TLS."""
    connect(host.format(port=gateway.port))
    with pytest.raises(GreenApiError) as caught:
        await ask(make_hook(max_attempts=2), "receive_notification", SHORT)
    assert with_token(caught.value) == []


WRONG_FIELDS: dict[str, dict[str, Any]] = {
    "login": {"login": TOKEN},
    "host": {"host": f"https://api.green-api.com{ECHO}"},
    "media_url": {"extra": {"media_url": f"ftp://x{ECHO}"}},
    "verify": {"extra": {"verify": "/no/such/file"}},
    "proxy": {"extra": {"proxy": f"nonsense://{TOKEN}@x"}},
    "requests_per_second": {"extra": {"requests_per_second": "many"}},
    "extra": {"extra": f"[{TOKEN}"},
}


@pytest.mark.parametrize("fields", WRONG_FIELDS.values(), ids=WRONG_FIELDS)
async def test_wrong_connection_has_no_token_among_its_locals(
    ask: Any, make_hook: Any, connect: Any, fields: dict[str, Any]
) -> None:
    """Nor the connection itself, which Airflow shows with its password."""
    connect(None, **fields) if "host" not in fields else connect(**fields)
    with pytest.raises(GreenApiConfigError) as caught:
        await ask(make_hook(), "receive_notification", SHORT)
    assert with_token(caught.value) == []
    assert TOKEN not in quote(str(caught.value))


# --- copies ---


async def test_used_hook_is_pickled_and_copied_without_the_token(make_hook: Any, gateway: Any) -> None:
    """A copy looks the connection up again, and works."""
    hook: GreenApiHook = make_hook(max_attempts=3)
    hook.receive_notification(SHORT)
    await hook.areceive_notification(SHORT)
    with pytest.raises(TypeError, match="holds the token"):
        pickle.dumps(hook.config)
    pickled = pickle.dumps(hook)
    assert TOKEN.encode() not in pickled
    for twin in (pickle.loads(pickled), copy.copy(hook), copy.deepcopy(hook)):
        assert TOKEN not in repr(vars(twin))
        assert (twin.green_api_conn_id, twin.max_attempts) == ("green_api_default", 3)
        assert twin.receive_notification(SHORT) is None
        twin.close()


def test_operator_that_keeps_a_hook_can_be_copied(gateway: Any, make_hook: Any) -> None:
    """Airflow copies operators deeply, also those that a subclass gave a hook."""
    task = operators.GreenApiSendMessageOperator(task_id="send", chat_id="1@c.us", message="text")
    task.hook = make_hook()
    task.hook.receive_notification(SHORT)
    assert copy.deepcopy(task).hook.green_api_conn_id == "green_api_default"
