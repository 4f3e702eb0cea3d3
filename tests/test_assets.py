"""The asset of an instance's queue, and its URI."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from airflow.providers.openlineage.utils.utils import translate_airflow_asset
from airflow.sdk import Asset, AssetWatcher

from airflow_green_notify.assets import convert_asset_to_openlineage, create_asset
from airflow_green_notify.triggers import GreenApiDoorbellTrigger


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("green-api://api.green-api.com/1101000001", "green-api://api.green-api.com/1101000001"),
        ("green-api://7103.API.greenapi.com/7103000001/", "green-api://7103.api.greenapi.com/7103000001"),
        ("green-api://127.0.0.1:18090/1101000001", "green-api://127.0.0.1:18090/1101000001"),
        ("green-api://API.green-api.com/fleets/Support-1/", "green-api://api.green-api.com/fleets/Support-1"),
    ],
)
def test_uri_is_brought_to_one_form(given: str, normal: str) -> None:
    """Two spellings of one queue are one asset."""
    assert Asset(given).uri == normal


@pytest.mark.parametrize(
    "uri",
    [
        "green-api://api.green-api.com",
        "green-api://api.green-api.com/waInstance1101000001",
        "green-api://api.green-api.com/1101000001/receiveNotification",
        "green-api://api.green-api.com/1101000001?token=x",
        "green-api://token@api.green-api.com/1101000001",
        "green-api:///1101000001",
        "green-api://api.green-api.com/fleets",
        "green-api://api.green-api.com/fleets/..",
        "green-api://api.green-api.com/fleets/support/1101000001",
        "green-api://api.green-api.com/fleets/sup port",
        "green-api://token@api.green-api.com/fleets/support",
    ],
)
def test_uri_that_names_no_queue_or_more_than_one_is_refused(uri: str) -> None:
    """A URI is host and instance, and no place for credentials."""
    with pytest.raises(ValueError, match=r"must be green-api://<host>/<idInstance>"):
        Asset(uri)


def test_create_asset_builds_uri_and_keeps_its_watchers() -> None:
    """The factory saves spelling the URI."""
    watcher = AssetWatcher(name="doorbell", trigger=GreenApiDoorbellTrigger())
    asset = create_asset(
        instance_id=1101000001, host="7103.api.greenapi.com", name="inbox", watchers=[watcher]
    )
    assert (asset.name, asset.uri) == ("inbox", "green-api://7103.api.greenapi.com/1101000001")
    assert asset.watchers == [watcher]


def test_create_asset_of_a_fleet_has_its_name_in_the_uri() -> None:
    """The instances are the watchers' business; the asset stays the same when one is added."""
    watcher = AssetWatcher(name="doorbell", trigger=GreenApiDoorbellTrigger(["support_1", "support_2"]))
    asset = create_asset(fleet="support", watchers=[watcher])
    assert (asset.name, asset.uri) == ("green-api://api.green-api.com/fleets/support",) * 2
    assert asset.watchers == [watcher]


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({}, "neither was given"),
        ({"instance_id": 1101000001, "fleet": "support"}, "both were given"),
        ({"instance_id": "waInstance1101000001"}, "instance_id is 'waInstance1101000001'; it must be"),
        ({"instance_id": ""}, "instance_id is ''; it must be"),
        ({"fleet": ""}, "fleet is ''; it must be"),
        ({"fleet": "a/b"}, "fleet is 'a/b'; it must be"),
        ({"fleet": ".."}, "fleet is '..'; it must be"),
        ({"fleet": "\u00fcber"}, "fleet is '\u00fcber'; it must be"),
        ({"fleet": ["a", "b"]}, r"fleet is \['a', 'b'\]; it must be"),
        ({"fleet": "support", "host": "https://api.green-api.com"}, "host is 'https://api.green-api.com'"),
    ],
)
def test_create_asset_of_nothing_in_particular_is_refused(wrong: dict[str, Any], text: str) -> None:
    """The error names what was wrong."""
    with pytest.raises(ValueError, match=text):
        create_asset(**wrong)


def test_scheme_is_registered_with_handler_factory_and_converter() -> None:
    """Airflow knows the scheme from the provider's metadata."""
    try:
        from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime as ProvidersManager
    except ImportError:  # Airflow 3.1
        from airflow.providers_manager import ProvidersManager

    assert ProvidersManager().asset_factories["green-api"] is create_asset
    assert ProvidersManager().asset_to_openlineage_converters["green-api"] is convert_asset_to_openlineage


@pytest.mark.parametrize("host", ["api.green-api.com", "127.0.0.1:18090"])
def test_lineage_names_the_queue_by_host_and_instance(host: str) -> None:
    """The OpenLineage provider turns the asset into a dataset, whatever the asset's name is."""
    dataset = translate_airflow_asset(create_asset(instance_id=1101000001, host=host, name="inbox"), None)
    assert dataset is not None
    assert (dataset.namespace, dataset.name) == (f"green-api://{host}", "1101000001")


def test_lineage_names_a_fleet_below_its_host() -> None:
    """Instances and fleets of one host share a namespace."""
    dataset = translate_airflow_asset(create_asset(fleet="support", host="127.0.0.1:18090"), None)
    assert dataset is not None
    assert (dataset.namespace, dataset.name) == ("green-api://127.0.0.1:18090", "fleets/support")


WITHOUT_OPENLINEAGE = """
import sys
sys.modules["openlineage"] = None
from airflow.providers_manager import ProvidersManager
from airflow_green_notify.assets import create_asset
convert = ProvidersManager().asset_to_openlineage_converters["green-api"]
print(convert(create_asset(instance_id=1), lineage_context=None))
"""


def test_without_openlineage_there_is_no_dataset_and_no_error() -> None:
    """It is not required: the converter answers as those of the official providers do."""
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_OPENLINEAGE], capture_output=True, text=True, check=True
    )
    assert ended.stdout.splitlines()[-1] == "None"
