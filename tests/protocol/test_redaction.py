"""No text keeps the token."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from airflow_green_notify.protocol.redaction import redact

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
