"""What the pages name is there: tests, example Dags, errors, arguments."""

from __future__ import annotations

import importlib
import re

import pytest

from airflow_green_notify import errors
from tests.docs.pages import DOCS, PAGES, ROOT, blocks_of, text_of
from tests.public_api import FILE as PUBLIC_API
from tests.public_api import MODULES, PACKAGE

# What Airflow's own classes take, as far as pages name it in a sentence.
AIRFLOWS = {
    "deferrable",
    "expand",
    "execution_timeout",
    "max_active_runs",
    "mode",
    "outlets",
    "retries",
    "scheme",
}
TESTS = sorted({(page, name) for page in PAGES for name in re.findall(r"`(tests/[^`{} ]+)`", text_of(page))})
PUBLIC = [
    f"{PACKAGE}.{module}.{name}"
    for module, names in MODULES.items()
    for name in names or importlib.import_module(f"{PACKAGE}.{module}").__all__
]


@pytest.mark.parametrize(("page", "name"), TESTS)
def test_test_that_a_page_names_is_there(page: str, name: str) -> None:
    """In that file, under that name."""
    path, _, function = name.partition("::")
    assert (ROOT / path).exists(), page
    if function:
        there = rf"^(async def|def|class) {function}\b|^{function} = "
        assert re.search(there, (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), page


def test_every_row_of_what_dies_has_a_test() -> None:
    """Each guarantee is proved by something that can fail."""
    text = text_of("docs/guarantees.md")
    rows = re.findall(r"^\| (.+?) \|", text.split("## What proves it")[0], re.MULTILINE)[1:]
    proofs = re.findall(r"^\* (.+): (?:`tests/.+`|the same)$", text, re.MULTILINE)
    assert len(rows) > 10
    assert proofs == rows


def test_examples_name_every_example_dag() -> None:
    """And no other."""
    there = {path.name for path in (ROOT / "example_dags").glob("*.py")}
    assert set(re.findall(r"`(\w+\.py)`", text_of("docs/examples.md"))) == there


def test_operations_tell_what_to_do_about_every_error() -> None:
    """Each class of errors stands in the table of what the log says."""
    told = set(re.findall(r"^\| `?(.*?)\|", text_of("docs/operations.md"), re.MULTILINE))
    classes = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.GreenApiError)
    }
    assert {name for name in classes if not any(name in cell for cell in told)} == {
        "GreenApiError",
        "GreenApiResponseError",
    }


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/")])
def test_argument_that_a_page_names_is_one(page: str) -> None:
    """In a sentence, as ``linger=300``: some public name takes it."""
    taken = set(re.findall(r"[(,*] ?(\w+)(?::| =)", PUBLIC_API.read_text(encoding="utf-8")))
    sentences = re.sub(r"^```.*?^```", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    codes = re.findall(r"`([^`]+)`", sentences)
    named = {name for code in codes if "/" not in code for name in re.findall(r"(?:^|[(, ])(\w+)=", code)}
    assert {name for name in named - taken - AIRFLOWS if not name.isupper()} == set()


def test_every_public_name_is_in_the_reference() -> None:
    """Listed by itself, or with all of its module."""
    reference = "\n".join(path.read_text(encoding="utf-8") for path in (DOCS / "api").glob("*.rst"))
    whole = re.findall(r"automodule:: (\S+)\n   :members:\n", reference)
    told = set(re.findall(r"\w+", reference))
    modules_and_names = [name.rpartition(".") for name in PUBLIC]
    assert [name for module, _, name in modules_and_names if module not in whole and name not in told] == []


def test_each_class_group_has_a_how_to() -> None:
    """Every operator, sensor, trigger for watchers and notifier is made in some block of a page."""
    from airflow_green_notify import operators, sensors

    code = "\n".join(block.text for page in PAGES for block in blocks_of(page))
    names = [*operators.__all__, *sensors.__all__, "GreenApiDoorbellTrigger", "GreenApiNotificationTrigger"]
    assert [name for name in [*names, "GreenApiNotifier", "GreenApiHook"] if f"{name}(" not in code] == []


def test_documentation_is_built_with_warnings_as_errors() -> None:
    """Links between pages, and names that the reference has, are checked by that."""
    assert "-m sphinx -W " in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "\nnitpicky = True\n" in (DOCS / "conf.py").read_text(encoding="utf-8")
