"""Whatever stands in a connection: an instance that can be called, or an error that names the field."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.hooks.connection import InstanceConfig
from airflow_green_notify.protocol import calls
from tests.fuzz.shown import shows_token, texts_of
from tests.fuzz.values import TOKENS, scalars, texts, values

pytestmark = pytest.mark.fuzz

_TOKEN = TOKENS[0]
hosts = st.one_of(
    st.none(),
    texts,
    st.sampled_from(
        [
            "https://7103.api.greenapi.com",
            "https://7103.api.green-api.com/v3/",
            "api.green-api.com:443",
            "http://[::1]:8080",
            "http://[",
            "https://a:b",
            "http://127.0.0.1:99999999",
            "//",
            f"https://api.green-api.com/waInstance1/receiveNotification/{_TOKEN}",
            f"https://user:{_TOKEN}@api.green-api.com",
            f"https://api.green-api.com?token={_TOKEN}",
            f"https://api.green-api.com#{_TOKEN}",
        ]
    ),
    st.builds("{}://{}".format, st.sampled_from(["http", "https", "ftp", "HTTP", "file"]), texts),
)
logins = st.sampled_from(["1101000001"] * 4 + ["", " 1101000001\n", "\u0661\u0662"]) | texts | scalars
passwords = st.sampled_from([*TOKENS, f" {_TOKEN}\n", f"{_TOKEN}\0", None, ""])
ports = st.sampled_from([None, 0, 443, 8080]) | st.integers() | texts
extras = st.one_of(
    st.none(),
    st.integers(900, 5_000).map(lambda depth: '{"a": ' + "[" * depth + "]" * depth + "}"),
    texts,
    values.map(json.dumps),
    st.fixed_dictionaries(
        {},
        optional={
            "media_url": hosts | values,
            "verify": st.booleans() | texts | values,
            "proxy": st.just(f"http://user:{_TOKEN}@proxy.example.org:3128") | hosts | values,
            "requests_per_second": st.integers() | texts | values,
        },
    ).map(json.dumps),
)


def _connection(**fields: Any) -> Any:
    return SimpleNamespace(**{"conn_id": "green_api_default", "schema": None, "port": None} | fields)


connections = st.builds(
    _connection,
    host=hosts,
    schema=st.sampled_from([None, "", "http", "https"]) | texts,
    login=logins,
    password=passwords,
    port=ports,
    extra=extras,
)


def _with_extra(extra: str) -> Any:
    return _connection(host=None, login="1101000001", password=_TOKEN, extra=extra)


@given(connections)
@example(_with_extra('{"requests_per_second": 1e999}'))
def test_any_connection_is_an_instance_or_refused_without_the_token(connection: Any) -> None:
    """A person typed it, a secrets backend holds something else, or a script wrote it."""
    raised = None
    try:
        config = InstanceConfig.from_connection(connection)
    except GreenApiConfigError as error:
        raised = error
    if raised is not None:
        assert not shows_token(*texts_of(raised))
        return
    assert not shows_token(repr(config), str(config), config.queue)
    assert config.id_instance.isdecimal()
    assert config.requests_per_second >= 1
    for call in (calls.receive_notification(5), calls.delete_notification(1)):
        assert config.url(call).lower().startswith(("http://", "https://"))
