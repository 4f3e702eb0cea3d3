"""A warmed-up process that forks any number of writers and readers of a store, to be killed and frozen.

Reads one JSON object per line, the job of ``readers_and_writers.py``, and answers with the child's pid, and
with its exit code when it ended by itself. Who was killed is not waited for, so that its pid stays its own.
"""

from __future__ import annotations

import json
import os
import sys
import traceback

from tests.crash.readers_and_writers import run


def main() -> None:
    answers = os.dup(1)
    with open(os.devnull, "w") as nowhere:  # Airflow logs to it
        os.dup2(nowhere.fileno(), 1)
    for line in sys.stdin:
        pid = os.fork()
        if pid:
            os.write(answers, json.dumps({"pid": pid}).encode() + b"\n")
            continue
        code = 1
        try:
            code = run(json.loads(line))
        except BaseException:
            traceback.print_exc()
        os.write(answers, json.dumps({"ended": os.getpid(), "code": code}).encode() + b"\n")
        os._exit(code)


if __name__ == "__main__":
    main()
