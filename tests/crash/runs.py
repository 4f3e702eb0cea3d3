"""Runs of tasks that are killed, and what Airflow would know of them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any


class Runs:
    """Runs of two tasks of one Dag, and what Airflow would know of them."""

    def __init__(self, folder: Path, store: dict[str, Any], environment: dict[str, str], seed: str) -> None:
        self.chance = random.Random(seed)
        self.folder = folder
        self._common = {"folder": str(folder), "store": store, "environment": environment}
        self._states: dict[str, str] = {}
        self._number = 0
        self.frozen: set[str] = set()
        self.killed_at: dict[str, float] = {}
        self._note("", "")

    def job(self, kind: str, retry_of: dict[str, Any] | None = None, **own: Any) -> dict[str, Any]:
        """A new run of a task, or the next try of one, with what else ``task_run.py`` is to know."""
        self._number += 1
        run_id = retry_of["run_id"] if retry_of else f"run-{self._number}"
        self._note(run_id, "running")
        return self._common | {
            "kind": kind,
            "run_id": run_id,
            "name": f"try-{self._number}",
            "try_number": retry_of["try_number"] + 1 if retry_of else 1,
            "handler_seconds": self.chance.choice((0.0, 0.05, 0.2)),
            **own,
        }

    def ended(self, job: dict[str, Any], code: int) -> None:
        """Note the state of its task, unless a later try has taken its place."""
        succeeded = code == 0 and self.result(job) is not None
        self._note(job["run_id"], "success" if succeeded else "failed")

    def result(self, job: dict[str, Any]) -> dict[str, Any] | None:
        returned = self.folder / f"{job['name']}.json"
        return json.loads(returned.read_text()) if returned.exists() else None

    def _note(self, run_id: str, state: str) -> None:
        self._states[run_id] = state
        part = self.folder / "states.part"
        part.write_text(json.dumps(self._states))
        part.rename(self.folder / "states.json")
