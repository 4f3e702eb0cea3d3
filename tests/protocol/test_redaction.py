"""No text keeps the token."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from airflow_green_notify.protocol.redaction import redact, reveals

TOKENS = ["d75b3a66374942c5", "a/b c%d+é?#&=", "(.*)[x]+", "токен", "%2F", "a"]


def quote_whole(token: str) -> str:
    return quote(token, safe="")


def encode_everything(token: str) -> str:
    return "".join(f"%{byte:02x}" for byte in token.encode())


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize(
    "spell",
    [str, quote, quote_whole, encode_everything, lambda token: encode_everything(token).upper()],
    ids=["plain", "quoted", "quoted whole", "every byte", "every byte, upper case"],
)
def test_redacting_finds_the_token_in_any_spelling(token: str, spell: Callable[[str], str]) -> None:
    """Plain, percent-encoded in part or in whole, upper or lower case: it is gone, the rest stays."""
    text = f"GET /x/{spell(token)}/1 HTTP/1.1, twice: {spell(token)}"
    assert redact(text, token) == "GET /x/***/1 HTTP/1.1, twice: ***"


def test_redacting_encoding_of_forms_is_no_path_and_stays() -> None:
    """A plus for a space is a form's spelling, which a path segment never has."""
    assert redact(quote_plus("a b"), "a b") == "a+b"


@pytest.mark.parametrize("text", ["", "nothing here", "\x00\ud800"])
def test_redacting_text_without_the_token_changes_nothing(text: str) -> None:
    """Other text stays as it is."""
    assert redact(text, "token") == text


def test_redacting_an_empty_token_changes_nothing() -> None:
    """Without a token there is nothing to hide."""
    assert redact("abc", "") == "abc"


@pytest.mark.parametrize("character", ["\ud800", "\x00", "\n"])
def test_redacting_a_token_of_odd_characters_works(character: str) -> None:
    """No token breaks the redaction itself."""
    assert redact(f"[{character}]", character) == "[***]"


TOKEN = "d75b3a66374942c5b3c019c698abc2067e151558acbd412345"
OTHER = "0b3f61de1f0a4c7c9a0b5d2e8f7c6b5a4d3e2f1a0b9c8d7e6f"


@pytest.mark.parametrize(
    "spelled",
    [
        TOKEN,
        TOKEN.upper(),
        TOKEN[:12],
        TOKEN[20:40],
        " ".join(TOKEN),
        "\n".join([TOKEN[:6], TOKEN[6:]]),
        str(list(TOKEN)),
        encode_everything(TOKEN),
        quote_whole(encode_everything(TOKEN)),
        f"https://host.example/{TOKEN[5:30]}?x",
    ],
)
def test_revealing_finds_the_token_and_parts_of_it(spelled: str) -> None:
    """As a whole or in part, encoded, in other case, spaced out, as a list."""
    assert reveals(f"so: {spelled}.", TOKEN)


@pytest.mark.parametrize(
    "text", ["", "Deploy?", "d75b3a", TOKEN[:11], OTHER, "{{ conn.x.password }}", "🙂" * 99]
)
def test_revealing_takes_no_other_text_for_the_token(text: str) -> None:
    """Other tokens, short likenesses and templates that nobody rendered are just text."""
    assert not reveals(text, TOKEN)


@pytest.mark.parametrize(("token", "shown"), [("a/b", "xa/bx"), ("?#&=", "?#&="), ("токен", "Т О К Е Н")])
def test_revealing_finds_short_and_odd_tokens(token: str, shown: str) -> None:
    """A token that is shorter than a part is looked for as a whole."""
    assert reveals(shown, token)
    assert not reveals("nothing", token)
    assert not reveals("nothing", "")
