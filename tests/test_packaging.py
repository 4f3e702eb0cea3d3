"""What is in the wheel that users install."""

from __future__ import annotations

import subprocess
import sys
from email.parser import Parser
from importlib.resources import files
from pathlib import Path
from zipfile import ZipFile

import pytest

from airflow_green_notify import __version__

ROOT = Path(__file__).parents[1]
EXAMPLE_DAGS = sorted(path.name for path in (ROOT / "example_dags").glob("*.py"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """The wheel, built from this folder without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [path] = folder.glob("*.whl")
    return ZipFile(path)


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
    assert "apache-airflow<4,>=3.1" in needed
    assert {line.split(">")[0].split("<")[0] for line in needed} >= {"requests", "aiohttp", "tenacity"}


def test_example_notifications_are_read_from_the_package() -> None:
    """The examples come along as a resource, not by a path of the repository."""
    lines = (files("airflow_green_notify.emulator") / "notifications.ndjson").read_text().splitlines()
    assert len(lines) == 80
