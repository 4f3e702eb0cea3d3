"""What is in the wheel that users install and in the sdist, and that both are the same on every machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from email.parser import Parser
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from zipfile import ZipFile

import pytest

from airflow_green_notify import __version__

ROOT = Path(__file__).parents[1]
EXAMPLE_DAGS = sorted(path.name for path in (ROOT / "example_dags").glob("*.py"))


SDIST = f"airflow_green_notify-{__version__}.tar.gz"
WHEEL = f"airflow_green_notify-{__version__}-py3-none-any.whl"


def build(source: Path, folder: Path, **environment: str) -> Path:
    """Build sdist and wheel of a folder without a network, as of a day in 2026, and return where they are."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)],
        cwd=source,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1780000000", **environment},
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel of this checkout."""
    return build(ROOT, tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def wheel(built: Path) -> ZipFile:
    return ZipFile(built / WHEEL)


@pytest.fixture(scope="module")
def sources(built: Path) -> set[str]:
    """The files in the sdist."""
    with tarfile.open(built / SDIST) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


@pytest.fixture(scope="module")
def long_description(wheel: ZipFile) -> str:
    """What PyPI shows as the page of the project."""
    text = wheel.read(f"airflow_green_notify-{__version__}.dist-info/METADATA").decode()
    return text.partition("\n\n")[2]


@pytest.fixture(scope="module")
def metadata(wheel: ZipFile) -> dict[str, list[str]]:
    text = wheel.read(f"airflow_green_notify-{__version__}.dist-info/METADATA").decode()
    message = Parser().parsestr(text)
    return {name: message.get_all(name, []) for name in set(message.keys())}


def test_wheel_holds_every_module_and_nothing_else(wheel: ZipFile) -> None:
    """All of the package is in it, and no tests, caches or tools beside it."""
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "airflow_green_notify").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    examples = {f"airflow_green_notify/example_dags/{name}" for name in EXAMPLE_DAGS}
    assert inside == package | examples


@pytest.mark.parametrize(
    "name",
    [
        "py.typed",
        "emulator/notifications.ndjson",
        "emulator/pytest.py",
        "demo/__main__.py",
        "page/static/page.css",
        "page/static/page.js",
        "page/static/icon.svg",
        "page/templates/page.html",
        "page/templates/refused.html",
    ],
)
def test_wheel_holds_what_is_not_imported(wheel: ZipFile, name: str) -> None:
    """Type marker, example notifications, fixtures, demo and what the page is made of are there."""
    assert f"airflow_green_notify/{name}" in wheel.namelist()


def test_wheel_holds_an_example_dag_at_least(wheel: ZipFile) -> None:
    """The demo runs example Dags out of the installed package."""
    assert EXAMPLE_DAGS
    assert f"airflow_green_notify/example_dags/{EXAMPLE_DAGS[0]}" in wheel.namelist()


def test_wheel_holds_the_license(wheel: ZipFile, metadata: dict[str, list[str]]) -> None:
    """The licence is in the wheel, whole, and named in its metadata."""
    [path] = [name for name in wheel.namelist() if name.endswith("/LICENSE")]
    assert wheel.read(path) == (ROOT / "LICENSE").read_bytes()
    assert metadata["License-Expression"] == ["Apache-2.0"]


def test_wheel_has_the_entry_points(wheel: ZipFile) -> None:
    """Airflow finds the provider and the plugin by them."""
    [path] = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert [each.strip() for each in wheel.read(path).decode().split("\n\n")[:2]] == [
        "[airflow.plugins]\ngreen_api = airflow_green_notify.page.plugin:GreenApiPlugin",
        "[apache_airflow_provider]\nprovider_info = airflow_green_notify:get_provider_info",
    ]


def test_metadata_says_what_it_is_and_needs(metadata: dict[str, list[str]]) -> None:
    """Name, version, Python, Airflow and the classifiers of providers."""
    assert metadata["Name"] == ["airflow-green-notify"]
    assert metadata["Version"] == [__version__]
    assert metadata["Requires-Python"] == [">=3.11"]
    assert "Framework :: Apache Airflow :: Provider" in metadata["Classifier"]
    assert "Typing :: Typed" in metadata["Classifier"]
    needed = [line.partition(";")[0].strip() for line in metadata["Requires-Dist"] if "extra ==" not in line]
    assert "apache-airflow<4,>=3.1.6" in needed
    assert {line.split(">")[0].split("<")[0] for line in needed} >= {"requests", "aiohttp", "tenacity"}


def test_build_is_the_same_on_another_machine(built: Path, tmp_path: Path) -> None:
    """Folder, rights, order and times of the files, and time zone leave no trace.

    The other machine has the sdist, so it is shown, too, that the wheel of the sdist is that of the checkout.
    """
    with tarfile.open(built / SDIST) as archive:
        for member in reversed(archive.getmembers()):
            archive.extract(member, tmp_path, filter="data")
    copy = tmp_path / SDIST.removesuffix(".tar.gz")
    (copy / "PKG-INFO").unlink()  # the one file that no checkout has
    for path in copy.rglob("*"):
        path.chmod(0o700 if path.is_dir() or os.access(path, os.X_OK) else 0o600)
        os.utime(path, (1e9, 1e9))
    again = build(copy, tmp_path / "again", TZ="Pacific/Auckland", LC_ALL="C", PYTHONHASHSEED="1")
    for name in (WHEEL, SDIST):
        assert sha256((again / name).read_bytes()).digest() == sha256((built / name).read_bytes()).digest(), (
            name
        )


def test_sdist_holds_what_a_packager_needs_and_no_more(sources: set[str]) -> None:
    """Package, examples, tests, documentation and licence; nothing of CI or of an earlier run."""
    assert sources >= {"LICENSE", "README.md", "CHANGELOG.md", "docs/index.md", "tests/conftest.py"}
    assert sources >= {f"example_dags/{name}" for name in EXAMPLE_DAGS}
    assert {name.split("/")[0] for name in sources} == {
        *("airflow_green_notify", "docs", "example_dags", "tests"),
        *("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md"),
        *("PKG-INFO", "pyproject.toml", ".gitignore"),
    }
    assert [name for name in sources if re.search(r"__pycache__|_build|\.(pyc|log|db)$", name)] == []


def test_page_on_pypi_has_no_link_or_picture_that_leads_nowhere(long_description: str) -> None:
    """What is relative in the README is text there; what isn't stays a link."""
    targets = re.findall(r"\]\(([^)]+)\)", long_description)
    assert targets
    assert [target for target in targets if not target.startswith("https://")] == []
    assert "![" not in long_description
    assert "what that means" in long_description


def test_example_notifications_are_read_from_the_package() -> None:
    """The examples come along as a resource, not by a path of the repository."""
    lines = (files("airflow_green_notify.emulator") / "notifications.ndjson").read_text().splitlines()
    assert len(lines) == 80
