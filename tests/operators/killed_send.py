"""Sends to one chat after the other, and is killed in the middle of each; run as a program.

Each send is tried by a process of its own, and then by this one, as a retry. Every other process is killed
at a random moment, and the rest when the gateway has answered, before the answer is noted.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

from airflow_green_notify.operators import GreenApiSendMessageOperator

LONGEST_LIFE = 0.05
"""Seconds until the kill at most, which is about what a try takes."""


class NotesInFile:
    """A task's state that outlives its process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def _read(self) -> dict[str, Any]:
        return dict(json.loads(self.path.read_text())) if self.path.exists() else {}

    def _write(self, notes: dict[str, Any]) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps(notes))
        fresh.rename(self.path)

    def get(self, key: str) -> Any:
        return self._read().get(key)

    def set(self, key: str, value: Any) -> None:
        self._write(self._read() | {key: value})

    def delete(self, key: str) -> None:
        notes = self._read()
        notes.pop(key, None)
        self._write(notes)


class MortalNotes(NotesInFile):
    """Kills the process that is about to note an answer."""

    def set(self, key: str, value: Any) -> None:
        if value["id_message"]:
            os.kill(os.getpid(), signal.SIGKILL)
        super().set(key, value)


def send(chat_id: str, notes: NotesInFile) -> str:
    task = GreenApiSendMessageOperator(
        task_id="ask", chat_id=chat_id, message="The same to all", journal_lag=0.3
    )
    return str(task.execute({"task_state_store": notes}))  # type: ignore[arg-type]


def send_and_be_killed(chat_id: str, notes: NotesInFile, after: float) -> None:
    """Begin in a process of its own, which SIGALRM ends as it stands, if nothing else did.

    :param after: Seconds; 0: never.
    """
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, after)
        send(chat_id, notes)
        os._exit(0)
    os.waitpid(child, 0)


def main(folder: Path, chats: list[str]) -> None:
    rng = random.Random(7)
    for number, chat_id in enumerate(chats):
        path = folder / f"{number}.json"
        if number % 2:
            send_and_be_killed(chat_id, NotesInFile(path), rng.uniform(0.001, LONGEST_LIFE))
        else:
            send_and_be_killed(chat_id, MortalNotes(path), 0)
        print(send(chat_id, NotesInFile(path)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
