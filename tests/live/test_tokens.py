"""What Airflow wrote down while it waited; it comes last in this folder, after everything happened."""

from __future__ import annotations

import re

import pytest
from cryptography.fernet import Fernet

from tests.live.conftest import Live, on_each

pytestmark = [pytest.mark.live, on_each]

ENCRYPTED = re.compile(r"gAAAA[\w-]+=*")


def test_tokens_are_in_no_row_and_no_log_of_airflow(live: Live) -> None:
    """No row and no file that Airflow wrote in these tests holds a token, and no doorbell's event a text."""
    instances = (live.gateway, live.shared, live.waiters.rung, live.waiters.carried, *live.waiters.awaited)
    tokens = [instance.api_token for instance in instances]
    with live.waiters.working(live.airflow):  # a trigger has a row only as long as it is watched
        written = rows(live) | files(live)
    unsecret_is_found(live, written)
    assert [place for place, text in written.items() if any(token in text for token in tokens)] == []
    rings = live.airflow.event_payloads("rung") + live.airflow.event_payloads("green_api_queue")
    assert {frozenset(ring) for ring in rings} == {
        frozenset({"instance_id", "key", "type_webhook", "waiting_since"})
    }


def unsecret_is_found(live: Live, written: dict[str, str]) -> None:
    """What isn't secret is found in the same places, so this looked where things are."""
    hint = "Run the tests of this folder together: nothing came before."
    assert live.waiters.rung.id_instance in written.get("row of asset_event", ""), hint
    assert "green_api_rung" in written.get("row of trigger", ""), hint
    triggerers = [text for place, text in written.items() if place.startswith("triggerer-")]
    assert any(live.waiters.rung.id_instance in text for text in triggerers), hint
    assert live.waiters.stored_keys()[0] in written.get("row of green_api_notifications", ""), hint
    tasks = [text for place, text in written.items() if place.startswith("logs/dag_id=drain_when_rung/")]
    assert any("airflow_green_notify" in text for text in tasks), hint


def rows(live: Live) -> dict[str, str]:
    """All rows of all databases, by table, with what Airflow encrypted in plain text."""
    fernet = Fernet(live.airflow.fernet_key)
    found: dict[str, list[str]] = {}
    for database in (live.airflow.database, live.waiters.store, live.warehouse):
        for name, text in database.texts():
            plain = ENCRYPTED.sub(lambda match: fernet.decrypt(match[0].encode()).decode(), text)
            found.setdefault(f"row of {name}", []).append(plain)
    return {place: "\n".join(texts) for place, texts in found.items()}


def files(live: Live) -> dict[str, str]:
    """All files in Airflow's folder, by path."""
    home = live.airflow.home
    paths = [path for path in home.rglob("*") if path.is_file()]
    return {str(path.relative_to(home)): path.read_bytes().decode("latin-1") for path in paths}
