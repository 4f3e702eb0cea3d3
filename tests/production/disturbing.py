"""Does to parts what was planned."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.production.parts import Parts
from tests.production.plan import Disturbance

STOP_SECONDS = 10.0
"""How long a part may take to end, when it is asked to, before it is killed, as in a rolling deploy."""


class Disturber:
    """Carries a plan out; a part is disturbed by one thing at a time."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._one_at_a_time: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self.ended_at = 0.0
        """UNIX time at which the last part was let go on, or was started again."""

    def carry_out(self, planned: Sequence[Disturbance]) -> None:
        """Return once all of it is done."""
        began = time.monotonic()
        with ThreadPoolExecutor(len(planned)) as pool:
            deeds = []
            for disturbance in planned:
                time.sleep(max(0.0, began + disturbance.at - time.monotonic()))
                deeds.append(pool.submit(self._do, disturbance, time.monotonic() - began))
        for deed in deeds:
            deed.result()
        self.ended_at = time.time()

    def _do(self, disturbance: Disturbance, at: float) -> None:
        part = disturbance.part
        with self._one_at_a_time[part]:
            print(f"{at:7.1f} s  {disturbance.kind} ({part}), {disturbance.seconds:g} s", flush=True)
            if disturbance.deed == "freeze":
                frozen = self._parts.freeze(part, disturbance.which, disturbance.child)
                time.sleep(disturbance.seconds)
                self._parts.resume(frozen)
            elif disturbance.deed == "restart":
                self._parts.stop(part, STOP_SECONDS)
                time.sleep(disturbance.seconds)
                self._parts.start(part)
            else:
                self._parts.kill(part, disturbance.which, disturbance.child)
                if disturbance.which != "child":
                    time.sleep(disturbance.seconds)
                    self._parts.start(part)
