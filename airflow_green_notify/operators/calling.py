"""Call any method of the gateway."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_green_notify.arguments import Judge, boolean_of, count_of, method_of, payload_of, verb_of
from airflow_green_notify.errors import GreenApiConfigError, GreenApiError, GreenApiPayloadError
from airflow_green_notify.fail_fast import fail_fast
from airflow_green_notify.hooks import GreenApiHook
from airflow_green_notify.json_text import to_text
from airflow_green_notify.leaks import leak_in
from airflow_green_notify.notification import MAX_XCOM_BYTES
from airflow_green_notify.operators.send_once import Notes, note_name, surely_without_effect
from airflow_green_notify.protocol.redaction import redact
from airflow_green_notify.task import GreenApiTask

if TYPE_CHECKING:
    from types import SimpleNamespace

    from airflow.sdk import Context

_LOOK = (
    "Look at the gateway whether the call had its effect, then clear the task to call again. If calling "
    "twice does no harm, set repeat=True."
)


class GreenApiCallOperator(GreenApiTask):
    """Calls any method of the gateway by its name, once for each run of the task unless ``repeat`` is set.

    Without ``repeat``, a call whose outcome is in doubt (no answer, a 5xx) fails the task without a retry:
    somebody looks whether it had its effect, and clears the task to call again. What surely had none, such
    as 429, is left to the task's retries. A crash before the call leaves nothing behind. After a crash in the
    middle of it the retry fails with the same words, since the task's state notes what was begun (Airflow 3.3
    and later; below, a retry calls again, so set ``retries=0`` there). Only in the moment between the answer
    and the end of the task does a crash make the retry call again.

    With ``repeat``, the call is repeated by itself after a doubtful answer, and by the task's retries.

    Receiving and deleting notifications is refused: the operators of the queue do it by rules of their own.
    Whatever else is called has the effect that the vendor's page tells of: ``clearWebhooksQueue`` deletes
    every notification unseen. A payload that holds the connection's token, or a value that Airflow masks, is
    refused, as is ``updateApiToken``, whose answer would be the new token.

    :param verb: ``GET``, ``POST`` or ``DELETE``.
    :param method: The gateway's name of the method, such as ``archiveChat``.
    :param payload: What goes with it: the JSON body of a POST, the query of the others.
    :param repeat: Whether calling it twice does no harm.
    :param max_xcom_bytes: Hard limit of the result's size; a larger answer fails the task at once, after the
        call was made.
    :param green_api_conn_id: The connection, of type ``greenapi``.
    :return: The gateway's answer, parsed; ``None`` for an empty one.

    .. seealso:: https://green-api.com/en/docs/api/
    """

    template_fields: Sequence[str] = (
        "verb",
        "method",
        "payload",
        "repeat",
        "max_xcom_bytes",
        "green_api_conn_id",
    )
    judges: ClassVar[Mapping[str, Judge]] = {
        **GreenApiTask.judges,
        "verb": verb_of,
        "method": method_of,
        "payload": payload_of,
        "repeat": boolean_of,
        "max_xcom_bytes": count_of,
    }
    ui_color = "#f0f0f0"

    def __init__(
        self,
        *,
        verb: str,
        method: str,
        payload: Mapping[str, Any] | str | None = None,
        repeat: bool | str = False,
        max_xcom_bytes: int | str = MAX_XCOM_BYTES,
        green_api_conn_id: str = GreenApiHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.verb = verb
        self.method = method
        self.payload = payload
        self.repeat = repeat
        self.max_xcom_bytes = max_xcom_bytes
        self.green_api_conn_id = green_api_conn_id
        self.check_arguments()

    def execute(self, context: Context) -> Any:
        given = self.judged_arguments()
        with fail_fast(), self.hook as hook:
            if leak := leak_in(hook.config, method=given.method, payload=to_text(given.payload)):
                raise GreenApiConfigError(leak)
            if given.repeat:
                answer = hook.call(given.verb, given.method, given.payload, repeat=True)
            else:
                answer = self._call_once(context, hook, given)
            self.log.info("%s is done.", given.method)
            result = _without_token(answer, hook.config.api_token)
            _check_size(result, given)
            return result

    def _call_once(self, context: Context, hook: GreenApiHook, given: SimpleNamespace) -> Any:
        """Call, and leave a note in the task's state for as long as the outcome is open.

        Whatever ends the call otherwise than with an answer leaves the note: a kill, a timeout of the task.
        """
        note = _Note(context)
        if note.is_there():
            note.delete()
            raise AirflowFailException(f"An earlier try ended while it called {given.method}. {_LOOK}")
        note.leave(given.method)
        try:
            answer = hook.call(given.verb, given.method, given.payload)
        except GreenApiError as error:
            note.delete()
            if not error.retryable or surely_without_effect(error):
                raise
            raise AirflowFailException(f"{error} {_LOOK}") from error
        note.delete()
        return answer


class _Note:
    """What the task's state says of a call that was begun; Airflow below 3.3 keeps nothing."""

    def __init__(self, context: Context) -> None:
        self._notes: Notes | None = context.get("task_state_store")
        self._name = note_name(context, "green_api_call")

    def is_there(self) -> bool:
        return self._notes is not None and bool(self._notes.get(self._name))

    def leave(self, method: str) -> None:
        if self._notes is not None:
            self._notes.set(self._name, method)

    def delete(self) -> None:
        if self._notes is not None:
            self._notes.delete(self._name)


_TOO_DEEP = object()
"""Stands for an answer that is nested too deeply to be looked through."""


def _check_size(result: Any, given: SimpleNamespace) -> None:
    """Refuse what fits into no XCom, where the token is out of reach.

    :raises GreenApiPayloadError: It doesn't fit.
    """
    try:
        size = 0 if result is _TOO_DEEP else len(json.dumps(result))
    except RecursionError:
        size = 0
    if 0 < size <= given.max_xcom_bytes:
        return
    limit = f"has {size} bytes, more than max_xcom_bytes={given.max_xcom_bytes}"
    what = limit if size else "is nested too deeply to be handed on"
    raise GreenApiPayloadError(
        f"{given.method} was called, and its answer {what}. Ask for less, or call the hook in a task of your "
        "own that keeps what it needs of it."
    )


def _without_token(answer: Any, token: str) -> Any:
    """Return an answer with ``***`` for the token, which some of the gateway's answers repeat."""
    try:
        return _redacted(answer, token)
    except RecursionError:
        return _TOO_DEEP


def _redacted(value: Any, token: str) -> Any:
    if isinstance(value, str):
        return redact(value, token)
    if isinstance(value, dict):
        return {redact(name, token): _redacted(item, token) for name, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item, token) for item in value]
    return value
