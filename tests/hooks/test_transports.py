"""How requests go over the wire: waiting, keep-alive, cuts, proxies, TLS; alike on requests and aiohttp."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import gzip
import ipaddress
import logging
import os
import select
import socket
import ssl
import subprocess
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from airflow_green_notify import __version__
from airflow_green_notify.errors import GreenApiConfigError, GreenApiResponseError, GreenApiTransportError
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.notification import Notification
from airflow_green_notify.protocol import call

SHORT = 0.05
BODY = {"typeWebhook": "incomingMessageReceived", "messageData": {}}
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_proxies_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXY_VARIABLES, "requests_ca_bundle", "curl_ca_bundle", "ssl_cert_file"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def hook(make_hook: Any) -> GreenApiHook:
    return make_hook(max_attempts=1)


def port_where_nobody_listens() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- no answer ---


async def test_host_that_refuses_is_a_transport_error(ask: Any, hook: Any, connect: Any) -> None:
    """Nobody listening is told in the operating system's words."""
    connect(f"http://127.0.0.1:{port_where_nobody_listens()}")
    with pytest.raises(GreenApiTransportError, match=r"(?i)refused"):
        await ask(hook, "receive_notification", SHORT)


async def test_host_that_does_not_exist_is_a_transport_error(ask: Any, hook: Any, connect: Any) -> None:
    """A name that DNS doesn't know is told with advice to look at the host."""
    connect("http://gateway.invalid")
    with pytest.raises(GreenApiTransportError, match="host") as caught:
        await ask(hook, "get_state_instance")
    assert "gateway.invalid/waInstance" not in str(caught.value)


async def test_silent_gateway_is_given_up(
    ask: Any, hook: Any, connect: Any, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that takes the request and never answers is not waited for without end."""
    monkeypatch.setattr(call, "READ_TIMEOUT", 0.1)
    connect(listen(...).url)
    with pytest.raises(GreenApiTransportError, match=r"(?i)timeout"):
        await ask(hook, "receive_notification", SHORT)


async def test_gateway_silent_in_the_middle_of_a_body_is_given_up(
    ask: Any, hook: Any, connect: Any, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait for the rest of an answer is bounded as well."""
    monkeypatch.setattr(call, "READ_TIMEOUT", 0.1)
    listener = listen(listen.answer(b"{")[:-1].replace(b"Content-Length: 1", b"Content-Length: 9"), ...)
    connect(listener.url)
    with pytest.raises(GreenApiTransportError):
        await ask(hook, "receive_notification", SHORT)


async def test_notification_that_comes_meanwhile_is_received_by_the_waiting_request(
    ask: Any, hook: Any, gateway: Any
) -> None:
    """What comes while the gateway holds the request open is received by that same request."""
    pushing = threading.Timer(0.1, gateway.push, [BODY])
    pushing.start()
    assert (await ask(hook, "receive_notification", 5)).body == BODY
    assert len(gateway.requests()) == 1


@pytest.mark.parametrize("kind", ["cut_before", "cut_after", "truncated"])
@pytest.mark.parametrize("warm", [False, True], ids=["first request", "kept-alive connection"])
async def test_cut_delete_is_sent_once_and_raises(
    ask: Any, hook: Any, gateway: Any, kind: str, warm: bool
) -> None:
    """Neither the hook nor the library below it repeats a delete whose answer was cut."""
    gateway.push(BODY, {**BODY, "second": True})
    receipt_id = (await ask(hook, "receive_notification", SHORT)).receipt_id
    if not warm:
        hook.close()
        await hook.aclose()
    gateway.fault(kind, method="deleteNotification")
    with pytest.raises(GreenApiTransportError, match="it may have had its effect"):
        await ask(hook, "delete_notification", receipt_id)
    assert [each["method"] for each in gateway.requests()].count("deleteNotification") == 1
    assert len(gateway.queue()) == (2 if kind == "cut_before" else 1)


@pytest.mark.parametrize("method", ["deleteNotification", "receiveNotification", "sendMessage"])
async def test_connection_closed_on_arrival_sees_the_request_once(
    ask: Any, hook: Any, connect: Any, listen: Any, method: str
) -> None:
    """A kept-alive connection that closes instead of answering gets no silent second try on a fresh one."""
    arguments = {
        "deleteNotification": ("delete_notification", 1),
        "receiveNotification": ("receive_notification", SHORT),
        "sendMessage": ("send_message", "1@c.us", "text"),
    }[method]
    listener = listen(listen.answer(), None)
    connect(listener.url)
    assert await ask(hook, "receive_notification", SHORT) is None
    with pytest.raises(GreenApiTransportError):
        await ask(hook, *arguments)
    assert len(listener.requests) == 2


@pytest.mark.parametrize("kind", ["cut_before", "cut_after", "truncated", "500_after", "502", "429"])
async def test_doubtful_send_reaches_the_gateway_once(
    ask: Any, make_hook: Any, gateway: Any, kind: str
) -> None:
    """A message that may be queued already is never sent again by the hook."""
    gateway.fault(kind, method="sendMessage")
    with pytest.raises((GreenApiTransportError, GreenApiResponseError)) as caught:
        await ask(make_hook(), "send_message", "12025550101@c.us", "text")
    assert caught.value.retryable
    assert len(gateway.requests()) == 1
    assert len(gateway.sent()) <= 1


async def test_cut_upload_reaches_the_gateway_once(
    ask: Any, make_hook: Any, gateway: Any, tmp_path: Path
) -> None:
    """A file whose upload was cut is not sent again by the hook."""
    (tmp_path / "a.txt").write_text("a")
    gateway.fault("cut_after", method="sendFileByUpload")
    with pytest.raises(GreenApiTransportError):
        await ask(make_hook(), "send_file", "12025550101@c.us", tmp_path / "a.txt")
    assert (len(gateway.requests()), len(gateway.sent())) == (1, 1)


# --- connections ---


async def test_connection_is_kept_alive(ask: Any, hook: Any, connect: Any, listen: Any) -> None:
    """One connection serves all requests of a hook."""
    listener = listen()
    connect(listener.url)
    for _ in range(20):
        await ask(hook, "receive_notification", SHORT)
    assert (len(listener.requests), listener.connections) == (20, 1)


async def test_connection_closed_while_idle_is_replaced(
    ask: Any, hook: Any, connect: Any, listen: Any
) -> None:
    """A gateway that closes idle connections is simply connected to again."""
    listener = listen(listen.answer(Connection="close"))
    connect(listener.url)
    for _ in range(3):
        assert await ask(hook, "receive_notification", SHORT) is None
    assert listener.connections == 3


async def test_hooks_of_one_event_loop_share_their_connections(
    make_hook: Any, connect: Any, listen: Any
) -> None:
    """A thousand waiters must not mean a thousand sessions."""
    listener = listen()
    connect(listener.url)
    for _ in range(5):
        await make_hook().areceive_notification(SHORT)
    assert listener.connections == 1


async def test_shared_connections_outlive_a_hook_that_leaves(
    make_hook: Any, connect: Any, listen: Any
) -> None:
    """The last hook to leave closes the connections, not the first."""
    listener = listen()
    connect(listener.url)
    first, second = make_hook(), make_hook()
    await first.areceive_notification(SHORT)
    await second.areceive_notification(SHORT)
    await first.aclose()
    await second.areceive_notification(SHORT)
    assert listener.connections == 1


async def test_closed_hook_connects_again(ask: Any, hook: Any, connect: Any, listen: Any) -> None:
    """Closing ends connections, not the hook; closing twice does nothing more."""
    listener = listen()
    connect(listener.url)
    for _ in range(2):
        await ask(hook, "receive_notification", SHORT)
        for _ in range(2):
            hook.close()
            await hook.aclose()
    assert listener.connections == 2


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_hook_serves_one_event_loop_after_another(gateway: Any) -> None:
    """A hook that was left open in a loop that has ended works in the next one, and can be closed there."""

    async def receive_and_close() -> Notification | None:
        async with hook:
            return await hook.areceive_notification(SHORT)

    gateway.push(BODY)
    hook = GreenApiHook(max_attempts=1)
    left_open = asyncio.run(hook.areceive_notification(SHORT))
    assert asyncio.run(receive_and_close()) == left_open
    asyncio.run(hook.aclose())


async def test_cancelled_receive_leaves_the_hook_usable(hook: Any, gateway: Any) -> None:
    """A wait that was cancelled, as triggers are, harms nothing that comes after."""
    for _ in range(3):
        waiting = asyncio.create_task(hook.areceive_notification(60))
        await asyncio.sleep(0.02)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    gateway.push(BODY)
    assert (await hook.areceive_notification(5)).body == BODY


async def test_compressed_answer_is_read(ask: Any, hook: Any, connect: Any, listen: Any) -> None:
    """A gateway or proxy that compresses is understood."""
    packed = gzip.compress(b'{"receiptId":5,"body":{"a":1}}')
    connect(listen(listen.answer(packed, Content_Encoding="gzip")).url)
    assert (await ask(hook, "receive_notification", SHORT)).receipt_id == 5


async def test_broken_compression_is_a_transport_error(
    ask: Any, hook: Any, connect: Any, listen: Any
) -> None:
    """An answer that can't be unpacked is one that didn't arrive."""
    connect(listen(listen.answer(b"not gzip at all", Content_Encoding="gzip")).url)
    with pytest.raises(GreenApiTransportError):
        await ask(hook, "receive_notification", SHORT)


async def test_answer_that_is_not_http_is_a_transport_error(
    ask: Any, hook: Any, connect: Any, listen: Any
) -> None:
    """Something else listening at the address is no gateway."""
    connect(listen(b"220 mail.example.org ESMTP\r\n\r\n").url)
    with pytest.raises(GreenApiTransportError):
        await ask(hook, "receive_notification", SHORT)


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"])
async def test_redirect_is_not_followed(ask: Any, hook: Any, connect: Any, listen: Any, status: str) -> None:
    """The address holds the token, which must not go to wherever a redirect points."""
    elsewhere = listen()
    connect(listen(listen.answer(b"", status, Location=f"{elsewhere.url}/x")).url)
    with pytest.raises(GreenApiResponseError, match="redirects"):
        await ask(hook, "receive_notification", SHORT)
    assert elsewhere.requests == []


async def test_five_megabytes_pass_through(ask: Any, hook: Any, gateway: Any) -> None:
    """A body of 5 MB is received whole."""
    body = {**BODY, "text": "ж\x00\ud800" * 290_000}  # 18 bytes each, escaped
    gateway.push(body)
    assert (await ask(hook, "receive_notification", 5)).body == body


@pytest.mark.parametrize("prefix", ["", "/v3", "/v3/"])
async def test_host_with_and_without_v3_is_reached(
    ask: Any, hook: Any, gateway: Any, connect: Any, prefix: str
) -> None:
    """The prefix of older MAX pages is part of the host, if at all."""
    connect(gateway.url + prefix)
    gateway.push(BODY)
    assert (await ask(hook, "receive_notification", SHORT)).body == BODY


async def test_upload_goes_to_the_media_host(
    ask: Any, hook: Any, connect: Any, listen: Any, gateway: Any, tmp_path: Path
) -> None:
    """``media_url`` is where files go, ``host`` where all else goes."""
    api = listen()
    connect(api.url, extra={"media_url": gateway.url})
    (tmp_path / "a.txt").write_text("a")
    await ask(hook, "receive_notification", SHORT)
    await ask(hook, "send_file", "12025550101@c.us", tmp_path / "a.txt")
    assert [each["method"] for each in gateway.requests()] == ["sendFileByUpload"]
    assert len(api.requests) == 1


# --- proxies ---


def first_line(listener: Any) -> str:
    return listener.requests[0].splitlines()[0]


async def test_proxy_of_the_connection_is_used(ask: Any, hook: Any, connect: Any, listen: Any) -> None:
    """What the connection names as proxy gets the request, with the gateway's whole address."""
    proxy = listen()
    connect("http://gateway.invalid", extra={"proxy": proxy.url})
    assert await ask(hook, "receive_notification", SHORT) is None
    assert first_line(proxy).startswith("GET http://gateway.invalid/waInstance1101000001/")


async def test_proxy_of_the_environment_is_used(
    ask: Any, hook: Any, connect: Any, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a proxy in the connection, ``HTTP_PROXY`` holds, as for everything else on the machine."""
    proxy = listen()
    monkeypatch.setenv("http_proxy", proxy.url)
    connect("http://gateway.invalid")
    assert await ask(hook, "receive_notification", SHORT) is None
    assert len(proxy.requests) == 1


async def test_proxy_of_the_connection_wins_over_the_environment(
    ask: Any, hook: Any, connect: Any, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is the nearer word."""
    near, far = listen(), listen()
    monkeypatch.setenv("http_proxy", far.url)
    connect("http://gateway.invalid", extra={"proxy": near.url})
    await ask(hook, "receive_notification", SHORT)
    assert (len(near.requests), len(far.requests)) == (1, 0)


@pytest.mark.parametrize("variable", ["all_proxy", "ALL_PROXY", "HTTP_PROXY"])
async def test_each_variable_that_names_a_proxy_holds_alike(
    ask: Any, hook: Any, connect: Any, listen: Any, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """The token leaves by the way that is open, on both transports."""
    proxy = listen()
    monkeypatch.setenv(variable, proxy.url)
    connect("http://gateway.invalid")
    assert await ask(hook, "receive_notification", SHORT) is None
    assert len(proxy.requests) == 1


async def test_proxy_without_a_scheme_is_an_http_proxy(
    ask: Any, hook: Any, connect: Any, listen: Any
) -> None:
    """Many write it so."""
    proxy = listen()
    connect("http://gateway.invalid", extra={"proxy": proxy.url.removeprefix("http://")})
    assert await ask(hook, "receive_notification", SHORT) is None
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "nonsense://x", "http://", "http://[::1"])
async def test_proxy_of_the_environment_that_cannot_be_used_is_a_config_error(
    ask: Any, hook: Any, connect: Any, listen: Any, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    """The request doesn't go the other way instead, on neither transport."""
    gateway = listen()
    monkeypatch.setenv("ALL_PROXY", proxy)
    connect(gateway.url)
    with pytest.raises(GreenApiConfigError, match="ALL_PROXY must be the address of an HTTP proxy"):
        await ask(hook, "receive_notification", SHORT)
    assert gateway.connections == 0


@pytest.mark.parametrize("pattern", ["127.0.0.0/8", "127.0.0.1", "*"])
async def test_host_of_no_proxy_is_known_in_each_way_to_write_it(
    ask: Any, hook: Any, gateway: Any, listen: Any, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    """What ``requests`` understands holds for both."""
    proxy = listen()
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", pattern)
    assert await ask(hook, "receive_notification", SHORT) is None
    assert proxy.requests == []


async def test_password_of_netrc_is_not_sent(
    ask: Any, hook: Any, connect: Any, listen: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the worker's owner may do elsewhere is nothing to the gateway; nor are cookies kept."""
    (tmp_path / "netrc").write_text("default login worker password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    listener = listen(listen.answer(Set_Cookie="a=b; Path=/"))
    connect(listener.url)
    for _ in range(2):
        await ask(hook, "receive_notification", SHORT)
    heads = "\n".join(listener.requests).lower()
    assert "authorization" not in heads
    assert "cookie" not in heads


async def test_requests_say_who_asks(ask: Any, hook: Any, connect: Any, listen: Any, tmp_path: Path) -> None:
    """The vendor's support can tell this client and its version from others."""
    (tmp_path / "a.txt").write_text("a")
    listener = listen(listen.answer(b'{"idMessage": "AA"}'))
    connect(listener.url)
    await ask(hook, "send_message", "1@c.us", "text")
    await ask(hook, "send_file", "1@c.us", tmp_path / "a.txt")
    expected = f"User-Agent: airflow-green-notify/{__version__}"
    assert [expected in head.splitlines() for head in listener.requests] == [True, True]


async def test_host_of_no_proxy_is_reached_directly(
    ask: Any, hook: Any, gateway: Any, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``NO_PROXY`` holds too."""
    proxy = listen()
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert await ask(hook, "receive_notification", SHORT) is None
    assert proxy.requests == []


# --- TLS ---


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody has signed but itself, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(
        signed.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@pytest.fixture
def tls_url(listen: Callable[..., Any], certificate: Path) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return listen(tls=context).url


async def test_unknown_certificate_is_refused(ask: Any, hook: Any, connect: Any, tls_url: str) -> None:
    """By default, the token isn't sent to a host that can't prove who it is; the advice names TLS."""
    connect(tls_url)
    with pytest.raises(GreenApiTransportError, match="TLS"):
        await ask(hook, "receive_notification", SHORT)


@pytest.mark.parametrize("verify", [False, "false", "False"])
@pytest.mark.parametrize("bundle", [False, True], ids=["", "with REQUESTS_CA_BUNDLE"])
async def test_verification_can_be_switched_off(
    ask: Any,
    hook: Any,
    connect: Any,
    tls_url: str,
    verify: Any,
    bundle: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``verify`` false is false, whatever the environment says about certificates."""
    if bundle:
        import certifi

        monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    connect(tls_url, extra={"verify": verify})
    with warnings.catch_warnings(action="ignore"):  # urllib3 warns of what was asked for
        assert await ask(hook, "receive_notification", SHORT) is None


async def test_own_certificate_authority_is_trusted(
    ask: Any, hook: Any, connect: Any, tls_url: str, certificate: Path
) -> None:
    """``verify`` may name the file of the authority to trust."""
    connect(tls_url, extra={"verify": str(certificate)})
    assert await ask(hook, "receive_notification", SHORT) is None


UNUSABLE: dict[str, Callable[[Path], Any]] = {
    "nothing": lambda path: None,
    "no certificate": lambda path: path.write_text("no certificate"),
    "empty": lambda path: path.touch(),
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
}


@pytest.mark.parametrize("make", UNUSABLE.values(), ids=UNUSABLE)
async def test_unusable_certificate_file_is_a_config_error(
    ask: Any, hook: Any, connect: Any, tls_url: str, tmp_path: Path, make: Callable[[Path], Any]
) -> None:
    """A file that isn't there, or holds no certificate, is the connection's fault and named as such.

    A pipe that nobody writes to is not waited for.
    """
    make(tmp_path / "ca.pem")
    connect(tls_url, extra={"verify": str(tmp_path / "ca.pem")})
    with pytest.raises(GreenApiConfigError, match="verify"):
        await ask(hook, "receive_notification", SHORT)


@pytest.fixture(params=["file", "folder"])
def bundle(request: pytest.FixtureRequest, certificate: Path, tmp_path: Path) -> str:
    """The certificates in each form that ``requests`` takes: a folder is one that OpenSSL has an index of."""
    if request.param == "file":
        return str(certificate)
    command = ["openssl", "x509", "-hash", "-noout", "-in", str(certificate)]
    indexed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / f"{indexed}.0").write_bytes(certificate.read_bytes())
    return str(tmp_path)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
async def test_certificates_of_the_environment_are_trusted_alike(
    ask: Any,
    hook: Any,
    connect: Any,
    tls_url: str,
    bundle: str,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    """What holds for everything that is built on ``requests`` holds for both transports."""
    monkeypatch.setenv(variable, bundle)
    connect(tls_url)
    assert await ask(hook, "receive_notification", SHORT) is None


@pytest.mark.parametrize("make", [UNUSABLE["nothing"], UNUSABLE["a pipe"]], ids=["nothing", "a pipe"])
async def test_unusable_certificates_of_the_environment_are_a_config_error(
    ask: Any,
    hook: Any,
    connect: Any,
    listen: Any,
    tls_url: str,
    tmp_path: Path,
    make: Callable[[Path], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The variable is named, and matters to none but TLS."""
    make(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    connect(tls_url)
    with pytest.raises(GreenApiConfigError, match="REQUESTS_CA_BUNDLE must be a folder or a readable file"):
        await ask(hook, "receive_notification", SHORT)
    hook.__dict__.pop("config", None)
    connect(listen().url)
    assert await ask(hook, "receive_notification", SHORT) is None


def relay_to(target: str) -> Callable[[Any], None]:
    """What a proxy does with ``CONNECT``: it joins both ends, and knows nothing of what is said."""
    host, port = target.removeprefix("https://").split(":")

    def join(connection: Any) -> None:
        with socket.create_connection((host, int(port))) as onwards:
            connection.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            ends = [connection.connection, onwards]
            while True:
                for each in select.select(ends, [], [])[0]:
                    data = each.recv(65536)
                    if not data:
                        return
                    ends[each is connection.connection].sendall(data)

    return join


async def test_tls_goes_through_a_proxy_that_sees_nothing(
    ask: Any, hook: Any, connect: Any, listen: Any, tls_url: str, certificate: Path
) -> None:
    """The proxy learns host and port, and neither token nor path."""
    proxy = listen(taker=relay_to(tls_url))
    connect(tls_url, extra={"proxy": proxy.url, "verify": str(certificate)})
    for _ in range(2):
        assert await ask(hook, "receive_notification", SHORT) is None
    assert proxy.connections == 1
    assert first_line(proxy).startswith(f"CONNECT {tls_url.removeprefix('https://')} ")
    assert "waInstance" not in "".join(proxy.requests)


async def test_proxy_that_never_lets_through_is_given_up(
    ask: Any, hook: Any, connect: Any, listen: Any, tls_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time is that of the exchange too, though it sends something all the while."""
    monkeypatch.setattr(call, "READ_TIMEOUT", 1.0)

    def dawdle(connection: Any) -> None:
        connection.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(200):
            connection.wfile.write(b"A%d: b\r\n" % (number % 50))
            time.sleep(0.1)

    connect(tls_url, extra={"proxy": listen(taker=dawdle).url})
    began = time.monotonic()
    with pytest.raises(GreenApiTransportError):
        await ask(hook, "receive_notification", SHORT)
    assert time.monotonic() - began < 10


# --- logging ---


async def test_requests_are_logged_without_the_token(
    ask: Any, hook: Any, gateway: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """At DEBUG the libraries tell what they send; the token is not in it."""
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3.connectionpool", "aiohttp.client", "asyncio"):
        caplog.set_level(logging.DEBUG, name)
    await ask(hook, "receive_notification", SHORT)
    if ask.side == "sync":
        assert "receiveNotification" in caplog.text
    assert gateway.api_token not in caplog.text


def test_requests_with_tokens_that_are_part_of_others_are_logged_without_any(
    gateway: Any, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong token that is the beginning of the right one doesn't uncover its end."""
    caplog.set_level(logging.DEBUG, "urllib3.connectionpool")
    for length in range(5, len(gateway.api_token) + 1):
        connect(gateway.url, password=gateway.api_token[:length])
        with GreenApiHook(max_attempts=1) as hook, contextlib.suppress(GreenApiResponseError):
            hook.receive_notification(SHORT)
    assert "receiveNotification" in caplog.text
    assert gateway.api_token[:5] not in caplog.text
    assert gateway.api_token[-5:] not in caplog.text
