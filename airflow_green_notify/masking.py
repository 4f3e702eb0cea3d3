"""What Airflow masks in logs: connections' passwords, secret variables, what ``mask_secret()`` was given."""

from __future__ import annotations

try:
    from airflow.sdk.log import redact  # type: ignore[attr-defined]
except ImportError:  # Airflow below 3.1.6 has it only where it is made
    from airflow.sdk._shared.secrets_masker import redact


def masked(text: str) -> str:
    """Return a text with asterisks in place of what Airflow masks."""
    return str(redact(text))
