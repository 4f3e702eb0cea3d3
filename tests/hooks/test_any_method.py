"""A gateway method called by its name, and what makes methods of calls."""

from __future__ import annotations

import inspect
import pickle
import typing
from typing import Any
from unittest.mock import create_autospec

import pytest

from airflow_green_notify.errors import (
    GreenApiConfigError,
    GreenApiResponseError,
    GreenApiTransportError,
    GreenApiUnavailableError,
)
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.protocol import calls

CHAT = "12025550101@c.us"


@pytest.fixture
def hook(make_hook: Any) -> GreenApiHook:
    return make_hook(max_attempts=3)


async def test_any_method_returns_the_answer_as_the_gateway_gives_it(
    ask: Any, hook: GreenApiHook, gateway: Any
) -> None:
    """Parsed JSON, whatever it is; nothing is picked out of it."""
    sent = await ask(hook, "call", "POST", "sendMessage", {"chatId": CHAT, "message": "text"})
    assert sent == {"idMessage": gateway.sent()[0]["idMessage"]}
    assert (await ask(hook, "call", "GET", "lastOutgoingMessages", {"minutes": 5}))[0]["chatId"] == CHAT


@pytest.mark.parametrize("body", ["", " \n", "null", "{}", "[]"])
async def test_any_method_with_an_empty_answer_returns_none(
    ask: Any, hook: GreenApiHook, gateway: Any, body: str
) -> None:
    """Some methods answer nothing when all went well."""
    gateway.fault("status", status=200, body=body)
    assert await ask(hook, "call", "GET", "getSettings") is None


@pytest.mark.parametrize("fault", ["502", "cut_before", "cut_after", "429"])
async def test_any_method_is_sent_once_unless_told_that_twice_does_no_harm(
    ask: Any, hook: GreenApiHook, gateway: Any, fault: str, monkeypatch: Any
) -> None:
    """A doubtful answer is the caller's to judge; with ``repeat`` it is asked again."""
    monkeypatch.setattr("airflow_green_notify.hooks.instance_hook._retry_wait", lambda state: 0.0)
    gateway.fault(fault)
    with pytest.raises((GreenApiUnavailableError, GreenApiTransportError)):
        await ask(hook, "call", "GET", "getSettings")
    assert len(gateway.requests()) == 1
    gateway.fault(fault)
    assert await ask(hook, "call", "GET", "getSettings", repeat=True) == gateway.settings()
    assert len(gateway.requests()) == 3


async def test_any_method_that_the_gateway_does_not_know_is_refused(
    ask: Any, hook: GreenApiHook, gateway: Any
) -> None:
    """As any other refusal, and without a retry."""
    with pytest.raises(GreenApiResponseError, match="noSuchMethod was refused with 404") as caught:
        await ask(hook, "call", "GET", "noSuchMethod", repeat=True)
    assert not caught.value.retryable
    assert len(gateway.requests()) == 1


async def test_any_method_whose_name_is_none_asks_nothing(ask: Any, hook: GreenApiHook, gateway: Any) -> None:
    """A name that would lead elsewhere is refused before any request."""
    with pytest.raises(GreenApiConfigError, match="letters and digits"):
        await ask(hook, "call", "GET", "../waInstance2/getSettings")
    assert gateway.requests() == []


# --- methods made of calls ---

METHODS = [name for name in calls.__all__ if name.islower() and hasattr(GreenApiHook, name)]


@pytest.mark.parametrize("payload", [[1], "chatId", 5, [("chatId", 1)]])
async def test_any_method_with_a_payload_that_is_no_dict_asks_nothing(
    ask: Any, hook: GreenApiHook, gateway: Any, payload: Any
) -> None:
    """The error says what is allowed."""
    with pytest.raises(GreenApiConfigError, match=r"payload is .*; it must be a dict"):
        await ask(hook, "call", "POST", "archiveChat", payload)
    assert gateway.requests() == []


def test_every_call_is_a_method_of_the_hook() -> None:
    """But for sending files: what is sent depends on where the file lies."""
    of_files = {"send_file_by_upload", "send_file_by_url", "optional_file_fields"}
    assert {*METHODS} == {name for name in calls.__all__ if name.islower()} - of_files


@pytest.mark.parametrize("name", METHODS)
def test_method_and_twin_show_what_they_take_return_and_do(name: str) -> None:
    """To ``help()``, to documentation tools, and to whoever asks which of both is async."""
    plain, twin = getattr(GreenApiHook, name), getattr(GreenApiHook, f"a{name}")
    described = inspect.signature(getattr(calls, name))
    for function in (plain, twin):
        signature = inspect.signature(function)
        assert [*signature.parameters][1:] == [*described.parameters]
        assert described.return_annotation == f"Call[{signature.return_annotation}]"
        assert typing.get_type_hints(function).keys() == {*described.parameters, "return"}
        assert "https://green-api.com/en/docs/api/" in (function.__doc__ or "")
    assert (plain.__name__, twin.__name__) == (name, f"a{name}")
    assert (twin.__qualname__, twin.__module__) == (f"GreenApiHook.a{name}", GreenApiHook.__module__)
    assert inspect.iscoroutinefunction(twin)
    assert not inspect.iscoroutinefunction(plain)
    assert (twin.__doc__ or "").startswith(f"Async twin of :meth:`{name}`.")


async def test_mock_with_the_hooks_spec_has_its_signatures() -> None:
    """Users' tests that mock the hook fail where their code calls it wrongly."""
    mock = create_autospec(GreenApiHook, instance=True)
    mock.get_message(CHAT, "3EB0")
    await mock.aget_message(CHAT, id_message="3EB0")
    with pytest.raises(TypeError):
        mock.get_message(CHAT)
    with pytest.raises(TypeError):
        await mock.aget_message(CHAT, "3EB0", "more")


def test_bound_method_can_be_pickled() -> None:
    """Together with its hook, which holds no token."""
    method = pickle.loads(pickle.dumps(GreenApiHook("other").get_settings))
    assert method.__self__.green_api_conn_id == "other"
    assert method.__func__ is GreenApiHook.get_settings
