"""How much is tried: as much as takes some five minutes, or as much as is asked for.

The long form, an hour: ``GREEN_API_FUZZ_EXAMPLES=25000 python -m pytest -m fuzz tests/fuzz``

What once failed stands in the tests as an example, or in ``corpus``, and is tried first each time. What fails
on one machine is kept there in ``.hypothesis`` until it doesn't fail any more.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("GREEN_API_FUZZ_EXAMPLES", "1500"))
"""Values that each test tries; a test with state tries a tenth as many sequences of steps."""

settings.register_profile(
    "fuzz",
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("fuzz")
