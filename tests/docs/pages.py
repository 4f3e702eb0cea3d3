"""The pages of the documentation, and the code blocks in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(
    r"(?:^<!-- (?P<how>not run|parsed): (?P<reason>[^>]+) -->\n)?"
    r"^```(?P<language>[^\n]*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]
    if "_build" not in path.parts
)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    :param where: Page and line of the fence.
    :param how: ``"run"``, ``"parsed"`` (a Dag that needs more than a run by hand) or ``"not run"``.
    :param reason: Why it isn't run.
    """

    where: str
    language: str
    text: str
    how: str
    reason: str


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks_of(page: str) -> list[Block]:
    """Return the code blocks of a page in their order; Sphinx's directives are none."""
    text = text_of(page)
    return [
        Block(
            where=f"{page}:{text.count(chr(10), 0, found.start('language')) + 1}",
            language=found["language"],
            text=found["text"],
            how=found["how"] or "run",
            reason=found["reason"] or "",
        )
        for found in FENCE.finditer(text)
        if not found["language"].startswith("{")
    ]
