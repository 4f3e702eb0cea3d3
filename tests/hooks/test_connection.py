"""From the fields of a connection to what the transports need."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import Connection

from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.hooks.connection import EXTRA_FIELDS, UI_FIELD_BEHAVIOUR, InstanceConfig
from airflow_green_notify.protocol import calls

TOKEN = "d75b3a66374942c5b3c019c698abc2067e151558acbd412345"


def connection(extra: Any = None, **fields: Any) -> Connection:
    given = {"host": None, "login": "1101000001", "password": TOKEN, **fields}
    return Connection(
        conn_id="green",
        conn_type="greenapi",
        extra=extra if isinstance(extra, str | None) else json.dumps(extra),
        **given,
    )


def config(*args: Any, **fields: Any) -> InstanceConfig:
    return InstanceConfig.from_connection(connection(*args, **fields))


@pytest.mark.parametrize(
    ("fields", "base_url"),
    [
        ({}, "https://api.green-api.com"),
        ({"host": ""}, "https://api.green-api.com"),
        ({"host": "   "}, "https://api.green-api.com"),
        ({"host": "https://7103.api.greenapi.com"}, "https://7103.api.greenapi.com"),
        ({"host": "https://7103.api.greenapi.com/"}, "https://7103.api.greenapi.com"),
        ({"host": " https://7103.api.greenapi.com \n"}, "https://7103.api.greenapi.com"),
        ({"host": "7103.api.greenapi.com"}, "https://7103.api.greenapi.com"),
        ({"host": "https://api.green-api.com/v3"}, "https://api.green-api.com/v3"),
        ({"host": "https://api.green-api.com/v3/"}, "https://api.green-api.com/v3"),
        ({"host": "api.green-api.com/v3"}, "https://api.green-api.com/v3"),
        ({"host": "http://127.0.0.1:18090"}, "http://127.0.0.1:18090"),
        ({"host": "127.0.0.1", "port": 18090, "schema": "http"}, "http://127.0.0.1:18090"),
        ({"host": "http://127.0.0.1", "port": 18090}, "http://127.0.0.1:18090"),
        ({"host": "http://127.0.0.1:18090", "port": 443}, "http://127.0.0.1:18090"),
        ({"host": "http://127.0.0.1:18090", "port": 99}, "http://127.0.0.1:18090"),
        ({"host": "https://api.green-api.com", "port": 443}, "https://api.green-api.com"),
        ({"host": "https://api.green-api.com", "port": 0}, "https://api.green-api.com"),
        ({"host": "https://api.green-api.com/v3", "port": 8443}, "https://api.green-api.com:8443/v3"),
        ({"host": "http://[::1]:18090"}, "http://[::1]:18090"),
        ({"host": "HTTPS://api.green-api.com"}, "HTTPS://api.green-api.com"),
    ],
)
def test_host_is_read_in_each_way_it_may_be_written(fields: dict[str, Any], base_url: str) -> None:
    """With or without scheme, slash, port or ``/v3``, and with the ports that the form stores for none."""
    assert config(**fields).base_url == base_url


@pytest.mark.parametrize(
    "host",
    [
        "ftp://api.green-api.com",
        "https://",
        "https:///v3",
        "https://user:secret@api.green-api.com",
        "https://:secret@api.green-api.com",
        "https://api.green-api.com?x=1",
        "https://api.green-api.com#x",
        f"https://api.green-api.com/waInstance1101000001/receiveNotification/{TOKEN}",
        "https://api.green-api.com:notaport",
        "https://api.green-api.com:0",
        "https://[::1",
    ],
)
def test_host_that_is_no_bare_address_is_refused_without_being_repeated(host: str) -> None:
    """What was pasted there may hold the token, so the error doesn't show it."""
    with pytest.raises(GreenApiConfigError, match="host must be the bare address") as caught:
        config(host=host)
    assert TOKEN not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("login", ["1101000001", " 1101000001 ", "710700000042", "0"])
def test_login_is_kept_as_digits(login: str) -> None:
    """The instance id is a string of digits, of any length."""
    assert config(login=login).id_instance == login.strip()


@pytest.mark.parametrize("login", [None, "", "waInstance1101", "11 01", "-1", "1.0", "١٢٣", "1101000001/x"])
def test_login_that_is_no_instance_id_is_refused(login: str | None) -> None:
    """The error names the field and where its value is found."""
    with pytest.raises(GreenApiConfigError, match="'green': login must be the idInstance"):
        config(login=login)


@pytest.mark.parametrize("password", [None, "", "  "])
def test_missing_token_is_refused(password: str | None) -> None:
    """The error names the field and where its value is found."""
    with pytest.raises(GreenApiConfigError, match="password must be the apiTokenInstance"):
        config(password=password)


@pytest.mark.parametrize(
    ("host", "media_url"),
    [
        (None, "https://media.green-api.com"),
        ("https://api.green-api.com", "https://media.green-api.com"),
        ("https://api.greenapi.com", "https://media.greenapi.com"),
        ("https://7103.api.greenapi.com", "https://7103.media.greenapi.com"),
        ("https://3100.api.green-api.com/v3", "https://3100.media.green-api.com/v3"),
        ("https://gateway.example.org", "https://gateway.example.org"),
        ("http://127.0.0.1:18090", "http://127.0.0.1:18090"),
    ],
)
@pytest.mark.parametrize("extra", [None, {}, {"media_url": None}, {"media_url": ""}], ids=str)
def test_media_url_follows_from_the_host(host: str | None, media_url: str, extra: Any) -> None:
    """The vendor's hosts come in pairs; any other host serves both."""
    assert config(extra, host=host).media_url == media_url


def test_media_url_that_is_given_is_used() -> None:
    """The console's word wins."""
    assert config({"media_url": "https://m.example.org/"}).media_url == "https://m.example.org"
    with pytest.raises(GreenApiConfigError, match="media_url must be the bare address"):
        config({"media_url": "m.example.org"})


@pytest.mark.parametrize("extra", [None, "", "{}", {}, {name: None for name in EXTRA_FIELDS}], ids=str)
def test_extras_that_are_absent_have_their_defaults(extra: Any) -> None:
    """The form saves ``null`` for what was left empty: that is the same as nothing."""
    read = config(extra)
    assert (read.verify, read.proxy, read.requests_per_second) == (True, None, 100)


@pytest.mark.parametrize(
    ("value", "verify"),
    [(True, True), (False, False), ("true", True), ("False", False), ("", True), (" ", True)],
)
def test_verify_is_read_in_each_form(value: Any, verify: bool) -> None:
    """A switch in the form, or text in a URI, mean the same."""
    assert config({"verify": value}).verify is verify


@pytest.mark.parametrize("value", [[], {}, 5, "/no/such/file", "~/ca.pem", "/", "/dev/zero", "\x00"], ids=str)
def test_verify_that_is_no_file_is_refused(value: Any) -> None:
    """The text says what it may be."""
    with pytest.raises(GreenApiConfigError, match="verify must be true, false, or a readable file"):
        config({"verify": value})


@pytest.mark.parametrize(
    ("value", "proxy"),
    [
        (None, None),
        ("", None),
        ("http://proxy:3128", "http://proxy:3128"),
        ("proxy:3128", "http://proxy:3128"),
        (" https://u:p%40w@proxy ", "https://u:p%40w@proxy"),
    ],
)
def test_proxy_is_read_in_each_form(value: Any, proxy: str | None) -> None:
    """With or without scheme and password."""
    assert config({"proxy": value}).proxy == proxy


@pytest.mark.parametrize(
    "value",
    [123, True, ["http://x"], {"http": "x"}, "socks5://x:1", "ftp://x", "http://", "http://x:99999"],
    ids=str,
)
def test_proxy_that_is_none_is_refused_at_once(value: Any) -> None:
    """Not later, in the words of a library; what stands there may be a password, and isn't repeated."""
    with pytest.raises(GreenApiConfigError, match="proxy must be the address of an HTTP proxy") as caught:
        config({"proxy": value})
    assert str(value) not in str(caught.value).replace("http://proxy.example.org:3128", "").replace(
        "http://", ""
    )


@pytest.mark.parametrize(("value", "number"), [(5, 5), ("5", 5), ("", 100), (1, 1)])
def test_requests_per_second_is_read_in_each_form(value: Any, number: int) -> None:
    """A number in the form, or text in a URI, mean the same."""
    assert config({"requests_per_second": value}).requests_per_second == number


@pytest.mark.parametrize("value", [0, -1, "many", [], {}, "1.5", float("nan"), float("inf")], ids=str)
def test_requests_per_second_that_is_no_rate_is_refused(value: Any) -> None:
    """Nought would wait for ever, so it is refused with the field's name."""
    with pytest.raises(GreenApiConfigError, match="requests_per_second"):
        config({"requests_per_second": value})


@pytest.mark.parametrize("extra", ["[1]", "5", '"text"', "{", "[" * 5_000 + "]" * 5_000], ids=lambda e: e[:6])
def test_extra_that_is_no_object_is_refused(extra: str) -> None:
    """Extras that can't be read are not ignored."""
    broken = connection()
    broken.extra = extra
    with pytest.raises(GreenApiConfigError, match="extra must be a JSON object"):
        InstanceConfig.from_connection(broken)


@pytest.mark.parametrize(
    "uri",
    [
        "greenapi://1101000001:a%2Fb@127.0.0.1:18090/http?requests_per_second=7",
        "greenapi://1101000001:a%2Fb@http%3A%2F%2F127.0.0.1%3A18090/?requests_per_second=7",
    ],
)
def test_connection_as_uri_is_read(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection may come as a URI, as Airflow has always had it."""
    monkeypatch.setenv("AIRFLOW_CONN_GREEN_API_DEFAULT", uri)
    read = GreenApiHook().config
    assert (read.base_url, read.id_instance, read.api_token, read.requests_per_second) == (
        "http://127.0.0.1:18090",
        "1101000001",
        "a/b",
        7,
    )


async def test_connection_is_the_same_from_event_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to look the connection up give the same instance."""
    monkeypatch.setenv(
        "AIRFLOW_CONN_MINE", json.dumps({"conn_type": "greenapi", "login": "7", "password": "p"})
    )
    assert await GreenApiHook("mine").aconfig() == GreenApiHook("mine").config


def test_hook_looks_nothing_up_before_it_is_used() -> None:
    """A hook for a connection that isn't there can be made, as in the code of a Dag."""
    assert GreenApiHook("no_such_connection").green_api_conn_id == "no_such_connection"


def test_url_of_a_call_joins_host_instance_and_token() -> None:
    """Files go to the media host, all else to the API host."""
    read = config(host="https://api.green-api.com/v3")
    assert read.url(calls.get_state_instance()) == (
        f"https://api.green-api.com/v3/waInstance1101000001/getStateInstance/{TOKEN}"
    )


def test_config_hides_token_and_proxy_in_its_repr() -> None:
    """Credentials of gateway and proxy are in no repr."""
    shown = repr(config({"proxy": "http://user:secret@proxy"}))
    assert TOKEN not in shown
    assert "secret" not in shown


def test_form_leaves_the_port_visible() -> None:
    """The "Test connection" of Airflow 3.3 fails where no port is stored, so there must be a field for it."""
    assert "port" not in UI_FIELD_BEHAVIOUR["hidden_fields"]
    assert UI_FIELD_BEHAVIOUR["placeholders"]["port"] == "443"
