"""The wheel in environments of its own, with no extra and with each alone: what users have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.installed

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
WHEEL = os.environ.get("GREEN_API_WHEEL")
"""The wheel to look at, that of a release; one that is built of the checkout if it isn't named."""

NEEDS = {
    "emulator.pytest": "pytest",
    "messaging": "common-messaging",
    "stores.object_storage.parquet": "parquet",
}
"""Modules that ask for more than the wheel brings along, and what it is."""

IMPORT_ALL = """
import importlib, json, pkgutil, sys
import airflow_green_notify as package
from airflow.sdk.exceptions import AirflowOptionalProviderFeatureException
missing = []
names = [module.name for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in names:
    if name.endswith("__main__") or ".example_dags" in name:
        continue
    try:
        importlib.import_module(name)
    except (ModuleNotFoundError, AirflowOptionalProviderFeatureException):
        missing.append(name.partition(".")[2])
json.dump({"missing": missing, "count": len(names), "file": package.__file__}, sys.stdout)
"""
PARSE_ALL = """
import json, sys
from pathlib import Path
import airflow_green_notify
from airflow.models import DagBag
bag = DagBag(dag_folder=Path(airflow_green_notify.__file__).parent / "example_dags")
json.dump({"errors": bag.import_errors, "dags": len(bag.dags)}, sys.stdout)
"""


class Installed(NamedTuple):
    """An environment that holds the wheel."""

    folder: Path
    extra: str

    def run(self, *command: str) -> str:
        """Return what a program of the environment says, in a folder that has nothing of ours."""
        program, *arguments = command
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        ended = subprocess.run(
            [self.folder / "bin" / program, *arguments],
            cwd=home,
            env={
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
                "HOME": str(home),
                "AIRFLOW_HOME": str(home),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            },
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def python(self, program: str) -> object:
        """Return what a program writes as JSON in its last line."""
        return json.loads(self.run("python", "-c", program).splitlines()[-1])


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if WHEEL:
        return Path(WHEEL).resolve()
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(
    scope="module", params=["", "common-messaging", "openlineage", "parquet"], ids=lambda it: it or "plain"
)
def installed(
    request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Installed:
    """A new environment of this Python with this version of Airflow, the wheel, and one extra at most."""
    folder = tmp_path_factory.mktemp("environment")
    extra = f"[{request.param}]" if request.param else ""
    airflow = version("apache-airflow")
    pins = ROOT / "tests" / "constraints" / f"airflow-{airflow}.txt"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run(
        [
            folder / "bin" / "pip",
            "install",
            "-q",
            "-c",
            pins,
            f"apache-airflow=={airflow}",
            f"{wheel}{extra}",
        ],
        check=True,
    )
    return Installed(folder, request.param)


def test_requirements_agree(installed: Installed) -> None:
    """Nothing that the wheel brings along contradicts anything else."""
    installed.run("pip", "check")


def test_every_module_can_be_imported_or_says_what_it_needs(installed: Installed) -> None:
    """No module needs what only tests have."""
    found = installed.python(IMPORT_ALL)
    assert isinstance(found, dict)
    assert found["count"] > 300
    assert found["file"].startswith(str(installed.folder))
    assert set(found["missing"]) == {name for name, need in NEEDS.items() if need != installed.extra}


def test_airflow_finds_provider_hook_and_plugin(installed: Installed) -> None:
    """They are registered by what the wheel says of itself."""
    assert "airflow-green-notify" in installed.run("airflow", "providers", "list")
    assert "greenapi" in installed.run("airflow", "providers", "hooks")
    assert "green_api" in installed.run("airflow", "plugins", "--output", "json")


def test_example_dags_of_the_package_are_dags(installed: Installed) -> None:
    """Those that the demo runs are in the wheel, and need no extra."""
    found = installed.python(PARSE_ALL)
    assert isinstance(found, dict)
    assert found["errors"] == {}
    assert found["dags"] >= 20


def test_demo_runs(installed: Installed) -> None:
    """A real Airflow and the emulator out of the wheel alone."""
    installed.run("python", "-m", "airflow_green_notify.demo")


def test_types_hold_for_users(installed: Installed, tmp_path: Path) -> None:
    """A user's Dag file passes ``mypy --strict`` against the wheel, and what is wrong doesn't."""
    files = [HERE / "user_dag.py", HERE / "wrong_uses.py"]
    for path in files:
        (tmp_path / path.name).write_text(path.read_text())
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--python-executable", installed.folder / "bin" / "python"]
        + [path.name for path in files],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
