"""What docs/threat-model.md promises is checked by tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| attempt ")]
NAMED = sorted(set(re.findall(r"`(tests/[^`]+)`", TEXT)))


def test_every_row_names_a_test() -> None:
    """A promise that nothing checks is a hope."""
    assert len(ROWS) > 30
    assert [row for row in ROWS if "`tests/" not in row.split(" | ")[-1]] == []


@pytest.mark.parametrize("name", NAMED)
def test_every_named_test_is_there(name: str) -> None:
    """In that file, under that name."""
    path, _, function = name.partition("::")
    assert re.search(rf"^(async def|def|class) {function}\b|^{function} = ", (ROOT / path).read_text(), re.M)
