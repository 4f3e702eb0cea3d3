"""What a tool that reports errors gets to see: the locals of every frame of this provider."""

from __future__ import annotations

from collections.abc import Iterator


def locals_of(error: BaseException | None) -> Iterator[str]:
    """Yield the locals of our frames, of an exception and of all that it was raised from."""
    while error is not None:
        traceback = error.__traceback__
        while traceback:
            frame = traceback.tb_frame
            if frame.f_globals.get("__name__", "").startswith("airflow_green_notify."):
                yield from (f"{frame.f_code.co_qualname}: {item!r}" for item in frame.f_locals.items())
            traceback = traceback.tb_next
        error = error.__cause__ or error.__context__
