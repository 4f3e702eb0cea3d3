"""What Airflow wrote down while it waited; it comes last in this folder, after everything happened."""

from __future__ import annotations

import pytest

from tests.live.conftest import Live

pytestmark = pytest.mark.live


def test_tokens_are_in_no_row_and_no_log_of_airflow(live: Live) -> None:
    """No file that Airflow wrote in these tests holds a token, and no doorbell's event a text."""
    instances = (live.gateway, live.waiters.rung, live.waiters.carried, *live.waiters.awaited)
    tokens = [instance.api_token for instance in instances]
    for path in live.airflow.home.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(token.encode() in content for token in tokens), path
    for payload in live.airflow.event_payloads("green_api_queue"):
        assert payload.keys() == {"instance_id", "key", "type_webhook", "waiting_since"}
