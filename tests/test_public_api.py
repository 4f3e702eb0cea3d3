"""What semantic versioning covers changes only on purpose."""

from __future__ import annotations

import pytest

from tests.public_api import FILE, RENEW, public_api


def test_public_names_and_signatures_are_those_that_were_promised() -> None:
    """A change of them shows in a review, as a change of ``public_api.txt``."""
    assert public_api().splitlines() == FILE.read_text(encoding="utf-8").splitlines(), (
        f"Is the change meant? Then {RENEW!r} writes tests/public_api.txt again."
    )


@pytest.mark.parametrize("private", ["object at 0x", "<function", "<unset>"])
def test_promise_is_the_same_text_in_every_process(private: str) -> None:
    """No address of an object stands in it."""
    assert private not in FILE.read_text(encoding="utf-8")
