"""What Airflow learns of this provider, and what it shows of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import entry_points, version
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema
import pytest
from airflow.api_fastapi.core_api.services.public.providers import _provider_mapper
from airflow.providers_manager import ProvidersManager

try:
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime as HooksManager
except ImportError:  # Airflow 3.1
    HooksManager = ProvidersManager  # type: ignore[assignment, misc]

import airflow_green_notify
from airflow_green_notify import get_provider_info
from airflow_green_notify.hooks.connection import CONNECTION_TYPE, EXTRA_FIELDS

NAME = "airflow-green-notify"
INFO = get_provider_info()
AIRFLOW = tuple(int(part) for part in version("apache-airflow").split(".")[:2])


def schema(name: str) -> dict[str, Any]:
    return json.loads((files("airflow") / name).read_text())


def airflow(*arguments: str) -> str:
    """What Airflow's command line answers."""
    command = [str(Path(sys.executable).with_name("airflow")), *arguments, "--output", "json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    assert "green" not in ended.stderr.lower()
    return ended.stdout


def test_info_fits_airflows_schema() -> None:
    """The info is what Airflow's own schema asks for."""
    jsonschema.validate(INFO, schema("provider_info.schema.json"))


def test_connection_fields_fit_the_schema_of_providers() -> None:
    """The form's fields are in the stricter schema that official providers are checked with."""
    stricter = schema("provider.yaml.schema.json")["properties"]["connection-types"]
    assert ("conn-fields" in stricter["items"]["properties"]) is (AIRFLOW >= (3, 2))
    jsonschema.validate(INFO["connection-types"], stricter)


def test_info_names_distribution_and_version() -> None:
    """Airflow refuses to start with a provider whose name isn't that of its distribution."""
    assert INFO["package-name"] == NAME
    assert INFO["versions"] == [airflow_green_notify.__version__] == [version(NAME)]


def test_info_is_found_through_one_entry_point() -> None:
    """Airflow finds the provider where it looks for providers."""
    ours = [
        each for each in entry_points(group="apache_airflow_provider") if each.dist and each.dist.name == NAME
    ]
    assert [each.load()() for each in ours] == [INFO]


def test_description_is_shown_with_a_link_that_leads_somewhere() -> None:
    """Airflow strips the description of its markup, and its page then links each word that is an address.

    What follows an address would be part of the link, or stand right behind it without a space.
    """
    shown = _provider_mapper(ProvidersManager().providers[NAME]).description
    assert shown.endswith(" GREEN-API https://green-api.com/en/")
    assert len(re.findall("https?:", shown)) == 1
    [listed] = [each for each in json.loads(airflow("providers", "list")) if each["package_name"] == NAME]
    assert listed["description"] == shown


def named_modules() -> list[str]:
    return [
        module
        for kind in ("hooks", "operators", "sensors", "triggers")
        for entry in INFO.get(kind, [])
        for module in entry["python-modules"]
    ]


def named_objects() -> list[str]:
    paths = [
        path for kind in ("notifications", "queues", "cli", "extra-links") for path in INFO.get(kind, [])
    ]
    paths += [entry["hook-class-name"] for entry in INFO["connection-types"]]
    for entry in INFO.get("asset-uris", []):
        paths += [entry[key] for key in ("handler", "factory", "to_openlineage_converter") if entry.get(key)]
    return paths


@pytest.mark.parametrize("module", named_modules())
def test_module_that_info_names_exists_with_something_public(module: str) -> None:
    """No entry points into the void."""
    imported = __import__(module, fromlist=["*"])
    assert any(name.startswith("GreenApi") for name in dir(imported))


@pytest.mark.parametrize("path", named_objects())
def test_object_that_info_names_exists(path: str) -> None:
    """Every class and function that Airflow will load by its path can be loaded."""
    module, _, name = path.rpartition(".")
    assert callable(getattr(__import__(module, fromlist=[name]), name))


def test_providers_manager_knows_the_connection_type() -> None:
    """Airflow has taken the provider up, without a word of complaint about it."""
    assert NAME in ProvidersManager().providers
    hook = HooksManager().hooks["greenapi"]
    assert hook is not None
    assert (hook.hook_class_name, hook.hook_name) == (
        "airflow_green_notify.hooks.green_api.GreenApiHook",
        "GREEN-API",
    )


FORM = """
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
for each in HookMetaService.hook_meta_data():
    if each.connection_type == "greenapi":
        print(each.model_dump_json())
"""


def test_connection_form_shows_every_field_with_label_and_help() -> None:
    """The form in the user interface has the labels, and all extra fields with their help."""
    # Below Airflow 3.2 this replaces modules of the process it runs in.
    ended = subprocess.run([sys.executable, "-c", FORM], capture_output=True, text=True, check=True)
    form = json.loads(ended.stdout.splitlines()[-1])
    assert form["hook_name"] == "GREEN-API"
    labels = {name: field["title"] for name, field in form["standard_fields"].items() if field}
    assert (labels["host"], labels["login"], labels["password"]) == (
        "API URL",
        "idInstance",
        "apiTokenInstance",
    )
    assert set(form["extra_fields"]) == set(EXTRA_FIELDS)
    for name, field in form["extra_fields"].items():
        assert EXTRA_FIELDS[name]["label"] in json.dumps(field)
        assert EXTRA_FIELDS[name]["description"] in json.dumps(field)


@pytest.mark.parametrize("value", [None, "", "true", "false", "/etc/ca.pem", True, False])
def test_form_takes_for_verify_what_the_hook_takes(value: Any) -> None:
    """A file of certificates can be entered, and what was stored as a switch is still valid."""
    jsonschema.validate(value, EXTRA_FIELDS["verify"]["schema"])
    assert next(kind for kind in EXTRA_FIELDS["verify"]["schema"]["type"] if kind != "null") == "string"


def test_command_line_lists_the_hook() -> None:
    """``airflow providers hooks`` shows what is installed, free of error and warning."""
    [hook] = [
        each for each in json.loads(airflow("providers", "hooks")) if each["connection_type"] == "greenapi"
    ]
    assert hook["class"] == "airflow_green_notify.hooks.green_api.GreenApiHook"
    assert hook["package_name"] == NAME


HOST = "http://127.0.0.1:9"
READ = """
from airflow.models.connection import Connection
from airflow_green_notify.doctor import examine
from airflow_green_notify.hooks import GreenApiHook
for name in ("as_json", "as_uri"):
    hook = GreenApiHook(name)
    hook.get_connection(name).get_uri()
    connection = Connection.get_connection_from_secrets(name)
    connection.get_uri()
    print(type(connection.get_hook()).__name__, hook.config.id_instance)
    print("doctor", examine(name).instance)
"""
"""Reads connections as tasks do, as Airflow's own components do, and as the doctor does."""


def test_connection_is_read_without_a_complaint_about_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow warns at each look-up of a type with an underscore, and turns hyphens of a type into those."""
    fields = {"conn_type": CONNECTION_TYPE, "login": "1101000001", "password": "apiToken", "host": HOST}
    monkeypatch.setenv("AIRFLOW_CONN_AS_JSON", json.dumps(fields))
    uri = f"{CONNECTION_TYPE}://1101000001:apiToken@{quote(HOST, safe='')}"
    monkeypatch.setenv("AIRFLOW_CONN_AS_URI", uri)
    ended = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True)
    assert ended.stdout.count("GreenApiHook 1101000001") == ended.stdout.count("doctor 1101000001") == 2
    assert "shall not contain" not in ended.stdout + ended.stderr
