"""What is asked of the gateway: addresses, waiting times, and what may be sent twice."""

from __future__ import annotations

import io
import json
from typing import Any
from urllib.parse import unquote

import pytest

from airflow_green_notify.errors import GreenApiConfigError
from airflow_green_notify.protocol import calls
from airflow_green_notify.protocol.calls import Call
from airflow_green_notify.protocol.upload import Upload

UPLOAD = Upload(io.BytesIO(b"abc"), 3, "a.txt", "text/plain", {"chatId": "1@c.us"}, "boundary")
CALLS: dict[str, Call[Any]] = {
    call.method: call
    for call in (
        calls.receive_notification(5),
        calls.delete_notification(7),
        calls.get_state_instance(),
        calls.get_settings(),
        calls.set_settings(webhookUrl=""),
        calls.get_webhooks_count(),
        calls.clear_webhooks_queue(),
        calls.send_message("1@c.us", "text", "AA"),
        calls.send_file_by_url("1@c.us", "https://example.org/a", "a", "caption", "AA"),
        calls.send_file_by_upload(UPLOAD),
        calls.download_file("1@c.us", "AA", None),
        calls.show_messages_queue(),
        calls.last_incoming_messages(10),
        calls.last_outgoing_messages(10),
        calls.reboot(),
        calls.logout(),
        calls.qr(),
        calls.send_poll("1@c.us", "Shall we?", ["yes", "no"]),
        calls.send_location("1@c.us", 55.75, -37.6),
        calls.send_contact("1@c.us", "+12025550102", first_name="Anna"),
        calls.forward_messages("1@c.us", "2@c.us", ["AA"]),
        calls.get_messages_count(),
        calls.clear_messages_queue(),
        calls.edit_message("1@c.us", "AA", "text"),
        calls.delete_message("1@c.us", "AA"),
        calls.read_chat("1@c.us"),
        calls.check_whatsapp(12025550102),
        calls.get_contacts(group=True, count=5),
        calls.get_contact_info("1@c.us"),
        calls.get_group_data("1@g.us"),
        calls.get_message("1@c.us", "AA"),
        calls.get_chat_history("1@c.us"),
    )
}


@pytest.mark.parametrize(
    ("method", "verb", "address"),
    [
        ("receiveNotification", "GET", "receiveNotification/TOKEN?receiveTimeout=5"),
        ("deleteNotification", "DELETE", "deleteNotification/TOKEN/7"),
        ("getStateInstance", "GET", "getStateInstance/TOKEN"),
        ("getSettings", "GET", "getSettings/TOKEN"),
        ("setSettings", "POST", "setSettings/TOKEN"),
        ("getWebhooksCount", "GET", "getWebhooksCount/TOKEN"),
        ("clearWebhooksQueue", "DELETE", "clearWebhooksQueue/TOKEN"),
        ("sendMessage", "POST", "sendMessage/TOKEN"),
        ("sendFileByUrl", "POST", "sendFileByUrl/TOKEN"),
        ("sendFileByUpload", "POST", "sendFileByUpload/TOKEN"),
        ("downloadFile", "POST", "downloadFile/TOKEN"),
        ("showMessagesQueue", "GET", "showMessagesQueue/TOKEN"),
        ("lastIncomingMessages", "GET", "lastIncomingMessages/TOKEN?minutes=10"),
        ("lastOutgoingMessages", "GET", "lastOutgoingMessages/TOKEN?minutes=10"),
        ("reboot", "GET", "reboot/TOKEN"),
        ("logout", "GET", "logout/TOKEN"),
        ("qr", "GET", "qr/TOKEN"),
        ("sendPoll", "POST", "sendPoll/TOKEN"),
        ("sendLocation", "POST", "sendLocation/TOKEN"),
        ("sendContact", "POST", "sendContact/TOKEN"),
        ("forwardMessages", "POST", "forwardMessages/TOKEN"),
        ("getMessagesCount", "GET", "getMessagesCount/TOKEN"),
        ("clearMessagesQueue", "GET", "clearMessagesQueue/TOKEN"),
        ("editMessage", "POST", "editMessage/TOKEN"),
        ("deleteMessage", "POST", "deleteMessage/TOKEN"),
        ("readChat", "POST", "readChat/TOKEN"),
        ("checkWhatsapp", "POST", "checkWhatsapp/TOKEN"),
        ("getContacts", "GET", "getContacts/TOKEN?group=true&count=5"),
        ("getContactInfo", "POST", "getContactInfo/TOKEN"),
        ("getGroupData", "POST", "getGroupData/TOKEN"),
        ("getMessage", "POST", "getMessage/TOKEN"),
        ("getChatHistory", "POST", "getChatHistory/TOKEN"),
    ],
)
def test_call_has_the_verb_and_address_of_the_contract(method: str, verb: str, address: str) -> None:
    """Every method is asked as the vendor's page says."""
    call = CALLS[method]
    assert call.verb == verb
    assert (
        call.url("https://api.example.org", "1101", "TOKEN")
        == f"https://api.example.org/waInstance1101/{address}"
    )


@pytest.mark.parametrize(
    ("seconds", "written"), [(5, "5"), (5.0, "5"), (60.0, "60"), (0.05, "0.05"), (7.5, "7.5")]
)
def test_receive_timeout_is_written_as_the_integer_it_is(seconds: float, written: str) -> None:
    """The gateway documents an integer; only a fraction is written as one."""
    assert calls.receive_notification(seconds).url("", "1", "T").endswith(f"?receiveTimeout={written}")


@pytest.mark.parametrize("token", ["a/b", "a?b#c", "a b", "a%2Fb", "ключ", "..", "a\nb", "\x00"])
def test_token_with_any_character_stays_one_segment_of_the_path(token: str) -> None:
    """No token can lead to another address."""
    url = CALLS["receiveNotification"].url("https://h", "1", token)
    segments = url.partition("?")[0].split("/")
    assert len(segments) == 6
    assert unquote(segments[5]) == token
    assert url.isascii()
    assert url.isprintable()


def test_calls_that_must_not_be_repeated_say_so() -> None:
    """Sending, clearing, restarting, signing out may have had their effect; all else does no harm twice."""
    not_repeatable = {name for name, call in CALLS.items() if not call.idempotent}
    assert not_repeatable == {
        "clearMessagesQueue",
        "forwardMessages",
        "logout",
        "reboot",
        "sendContact",
        "sendLocation",
        "sendPoll",
        "deleteNotification",
        "clearWebhooksQueue",
        "sendMessage",
        "sendFileByUrl",
        "sendFileByUpload",
    }


@pytest.mark.parametrize("seconds", [0.1, 5, 60])
def test_timeout_of_receiving_is_15_seconds_over_the_hold(seconds: float) -> None:
    """The gateway may hold the request open for all of ``receiveTimeout``, and then answers."""
    assert calls.receive_notification(seconds).timeout == seconds + 15


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_timeout_of_every_call_is_finite(call: Call[Any]) -> None:
    """Nothing waits for ever."""
    assert 15 <= call.timeout <= 180


@pytest.mark.parametrize(
    ("methods", "limit"),
    [
        ("receiveNotification deleteNotification", 100),
        ("sendMessage sendFileByUrl sendFileByUpload sendPoll", 50),
        ("sendLocation sendContact forwardMessages", 50),
        ("getMessage checkWhatsapp readChat editMessage deleteMessage", 10),
        ("downloadFile", 5),
        ("reboot logout qr getContacts getContactInfo getGroupData getChatHistory", 1),
        ("getMessagesCount clearMessagesQueue", 1),
        ("getStateInstance getSettings setSettings getWebhooksCount clearWebhooksQueue", 1),
        ("lastIncomingMessages lastOutgoingMessages showMessagesQueue", 1),
    ],
)
def test_rate_of_each_method_is_the_documented_one(methods: str, limit: int) -> None:
    """Requests per second, as the vendor's table has them."""
    assert {CALLS[method].rate[:2] for method in methods.split()} == {(limit, 1.0)}


def test_only_the_queue_is_read_at_the_rate_of_the_connection() -> None:
    """``requests_per_second`` is for receiving and for deleting; all else keeps the documented rate."""
    adjustable = [name for name, call in CALLS.items() if call.rate.is_adjustable]
    assert adjustable == ["receiveNotification", "deleteNotification"]


def test_only_the_journals_may_be_asked_for_less() -> None:
    """An answer that is too large says what to do: fewer minutes, or another host."""
    journals = [name for name, call in CALLS.items() if "fewer minutes" in call.bounds.advice]
    assert journals == ["lastIncomingMessages", "lastOutgoingMessages"]


def test_rate_of_downloading_on_max_is_lower() -> None:
    """MAX allows one downloadFile a second, the other products five."""
    assert calls.download_file("1", "AA", "v3").rate[:2] == (1, 1.0)
    assert calls.download_file("1", "AA", "telegram").rate[:2] == (5, 1.0)


def test_rate_of_get_message_is_lower_where_ids_are_numbers() -> None:
    """Telegram and MAX, whose ids are numbers, allow one getMessage a second, WhatsApp ten."""
    assert calls.get_message("10000000", "5242880001").rate[:2] == (1, 1.0)
    assert calls.get_message("1@c.us", "3EB0C767D097B7C7C030").rate[:2] == (10, 1.0)


def test_only_uploads_go_to_the_media_host() -> None:
    """``mediaUrl`` is for uploads, ``apiUrl`` for all else."""
    assert [name for name, call in CALLS.items() if call.media] == ["sendFileByUpload"]


def test_optional_arguments_are_left_out_when_absent() -> None:
    """What wasn't given isn't sent as null."""
    assert calls.send_message("1", "a", None).payload == {"chatId": "1", "message": "a"}
    assert calls.send_file_by_url("1", "u", "f", None, None).payload == {
        "chatId": "1",
        "urlFile": "u",
        "fileName": "f",
    }


PAYLOADS: dict[str, tuple[Call[Any], dict[str, Any]]] = {
    "poll": (
        calls.send_poll("1@c.us", "Shall we?", ("yes", "no"), True, "AA"),
        {
            "chatId": "1@c.us",
            "message": "Shall we?",
            "options": [{"optionName": "yes"}, {"optionName": "no"}],
            "multipleAnswers": True,
            "quotedMessageId": "AA",
        },
    ),
    "location": (
        calls.send_location("1@c.us", 0, -180, name="Null Island"),
        {"chatId": "1@c.us", "latitude": 0, "longitude": -180, "nameLocation": "Null Island"},
    ),
    "contact": (
        calls.send_contact("1@c.us", "+12025550102", company="Acme"),
        {"chatId": "1@c.us", "contact": {"phoneContact": 12025550102, "company": "Acme"}},
    ),
    "forward": (
        calls.forward_messages("1@c.us", "2@c.us", ("AA", "BB")),
        {"chatId": "1@c.us", "chatIdFrom": "2@c.us", "messages": ["AA", "BB"]},
    ),
    "deletion": (calls.delete_message("1@c.us", "AA"), {"chatId": "1@c.us", "idMessage": "AA"}),
    "deletion here": (
        calls.delete_message("1@c.us", "AA", only_sender_delete=True),
        {"chatId": "1@c.us", "idMessage": "AA", "onlySenderDelete": True},
    ),
    "read": (calls.read_chat("1@c.us", "AA"), {"chatId": "1@c.us", "idMessage": "AA"}),
    "check by phone": (calls.check_whatsapp("12025550102"), {"phoneNumber": 12025550102}),
    "check by id": (calls.check_whatsapp("2@lid"), {"chatId": "2@lid"}),
    "group on WhatsApp": (calls.get_group_data("1@g.us"), {"groupId": "1@g.us"}),
    "group elsewhere": (calls.get_group_data("-10000000000000"), {"chatId": "-10000000000000"}),
    "settings": (calls.set_settings(webhookUrl=""), {"webhookUrl": ""}),
}


@pytest.mark.parametrize(("call", "payload"), PAYLOADS.values(), ids=PAYLOADS)
def test_call_is_asked_with_what_the_vendors_page_names(call: Call[Any], payload: dict[str, Any]) -> None:
    """What was given, in the gateway's names and types; what wasn't is left out."""
    assert call.payload == payload


def test_longest_message_in_any_script_fits_into_what_the_gateway_takes() -> None:
    """100 KB: an escape for each letter would make the double of it."""
    body = calls.send_message("1@c.us", "ж" * 20_000).body or b""
    assert len(body) < 100_000
    assert json.loads(body)["message"] == "ж" * 20_000


@pytest.mark.parametrize("text", ['"\\\n\x00', "\ud83d", "\U0001f44b \ud83d\ude00", "\u2028"])
def test_payload_is_json_whatever_the_text(text: str) -> None:
    """Also half a pair of surrogates, which UTF-8 can't hold."""
    body = calls.send_message("1@c.us", text).body or b""
    assert json.loads(body.decode())["message"] == json.loads(json.dumps(text))


@pytest.mark.parametrize(
    ("describe", "words"),
    [
        (lambda: calls.send_poll("1", " ", ["a", "b"]), "no question"),
        (lambda: calls.send_poll("1", "q" * 256, ["a", "b"]), "question has 256 characters"),
        (lambda: calls.send_poll("1", "q", ["a"]), "1 options"),
        (lambda: calls.send_poll("1", "q", ["a", "a"]), "1 of them different"),
        (lambda: calls.send_poll("1", "q", [str(n) for n in range(13)]), "2 to 12"),
        (lambda: calls.send_poll("1", "q", ["a", "b" * 101]), "option has 101 characters"),
        (lambda: calls.send_poll("1", "q", "ab"), "list of texts"),
        (lambda: calls.send_poll("1", "q", ["a", ""]), "none of them empty"),
        (lambda: calls.send_location("1", 90.1, 0), "latitude is 90.1"),
        (lambda: calls.send_location("1", 0, float("nan")), "longitude is nan"),
        (lambda: calls.send_contact("1", "Anna", "Anna"), "phone is 'Anna'"),
        (lambda: calls.check_whatsapp("9" * 5000), "phone is '9"),
        (lambda: calls.send_contact("1", 12025550102), "needs a name or a company"),
        (lambda: calls.check_whatsapp("٣٤"), "digits only"),
        (lambda: calls.set_settings(incomingWebhook=object()), "setSettings is asked with .* JSON"),
        (lambda: calls.set_settings(incomingWebhook=float("inf")), "setSettings is asked with .* JSON"),
    ],
)
def test_call_that_the_gateway_would_refuse_is_refused_with_words(describe: Any, words: str) -> None:
    """Before any request; the text says what was wrong and what is allowed."""
    with pytest.raises(GreenApiConfigError, match=words):
        describe()


# --- any method ---


@pytest.mark.parametrize(
    ("call", "verb", "address", "payload"),
    [
        (
            calls.call("POST", "archiveChat", {"chatId": "1@c.us"}),
            "POST",
            "archiveChat/T",
            {"chatId": "1@c.us"},
        ),
        (calls.call("post", "getChats"), "POST", "getChats/T", {}),
        (
            calls.call("GET", "getContacts", {"group": True, "count": 3}),
            "GET",
            "getContacts/T?group=true&count=3",
            None,
        ),
        (calls.call("get", "getDeviceInfo"), "GET", "getDeviceInfo/T", None),
        (calls.call("GET", "x", {"a&b": "c=d/?"}), "GET", "x/T?a%26b=c%3Dd%2F%3F", None),
        (calls.call("DELETE", "clearWebhooksQueue"), "DELETE", "clearWebhooksQueue/T", None),
    ],
)
def test_any_method_gets_its_payload_as_body_or_as_query(
    call: Call[Any], verb: str, address: str, payload: Any
) -> None:
    """POST as JSON, the others in the address, where nothing of it becomes a path or another parameter."""
    assert (call.verb, call.payload) == (verb, payload)
    assert call.url("https://h", "1", "T") == f"https://h/waInstance1/{address}"


@pytest.mark.parametrize(
    "method",
    [
        "",
        "a/b",
        "a?b",
        "..",
        ".",
        "a b",
        "a%2Fb",
        "a\n",
        "getContacts\n",
        "1a",
        "ключ",
        "a#b",
        "a" * 65,
        None,
        7,
    ],
)
def test_any_method_lets_nothing_but_a_name_into_the_address(method: Any) -> None:
    """Nothing leads to another path, another instance or another token."""
    with pytest.raises(GreenApiConfigError, match="letters and digits only"):
        calls.call("GET", method)


@pytest.mark.parametrize("method", ["receiveNotification", "RECEIVENOTIFICATION", "deleteNotification"])
@pytest.mark.parametrize("verb", ["GET", "DELETE"])
def test_any_method_refuses_what_has_rules_of_its_own(verb: str, method: str) -> None:
    """A receipt id is used once, at once: not by a call that knows nothing of it."""
    with pytest.raises(GreenApiConfigError, match=r"use (receive|delete)_notification\(\)"):
        calls.call(verb, method)


@pytest.mark.parametrize(
    ("verb", "payload", "words"),
    [
        ("PUT", None, "verb is 'PUT'"),
        ("GET /x", None, "verb is"),
        (None, None, "verb is None"),
        ("GET", {"a": [1]}, r"payload\['a'\] is of type list"),
        ("GET", {"a": None}, "NoneType"),
        ("GET", {"a": "\ud800"}, "into an address"),
        ("GET", {"a": 10**5000}, "into an address"),
        ("POST", {"a": 10**5000}, "JSON"),
        ("POST", {"a": {1, 2}}, "JSON"),
        ("POST", {"a": float("nan")}, "JSON"),
    ],
)
def test_any_method_refuses_what_cannot_be_sent(verb: Any, payload: Any, words: str) -> None:
    """With words, before the token is near."""
    with pytest.raises(GreenApiConfigError, match=words):
        calls.call(verb, "getContacts", payload)


def test_any_method_is_repeated_only_if_told() -> None:
    """Nobody but the caller knows whether twice does harm."""
    assert not calls.call("GET", "getContacts").idempotent
    assert calls.call("GET", "getContacts", repeat=True).idempotent


def test_any_method_keeps_the_rate_of_the_method_whatever_its_spelling() -> None:
    """One that isn't known is asked once a second."""
    assert calls.call("POST", "SENDMESSAGE").rate == CALLS["sendMessage"].rate
    assert calls.call("POST", "brandNewMethod").rate == CALLS["getSettings"].rate
