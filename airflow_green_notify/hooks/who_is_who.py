"""Asks the gateway who is who."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_green_notify.contacts import Contacts, counts_messages, lid_of, phone_of
from airflow_green_notify.errors import GreenApiError
from airflow_green_notify.protocol.limits import checked_phone
from airflow_green_notify.stopwatch import Stopwatch

if TYPE_CHECKING:
    from airflow_green_notify.hooks.green_api import GreenApiHook

log = logging.getLogger(__name__)

ASK_AGAIN_AFTER = 10.0
"""Seconds after an outage in which nobody is asked; if the question took longer, as many as it took. Whoever
has to know fails at once, as before."""

Answers = Iterable[Mapping[str, Any]]


def contacts_of(hook: Callable[[], GreenApiHook]) -> Contacts:
    """Return who is who for an instance, as far as its gateway knows.

    What is refused for good (a method that isn't there, the limit of a plan) is told in the log, and counts
    as "nobody knows". An outage is raised.

    :param hook: Returns the hook, whose plain methods are used: from event loops, compare in a thread.
    """
    return Contacts(_Questions(hook))


class _Questions:
    """The contacts of the account first, which cost nothing, then one question about one person."""

    def __init__(self, hook: Callable[[], GreenApiHook]) -> None:
        self._hook = hook
        self._has_contacts = False
        self._outage: GreenApiError | None = None
        self._since_outage = Stopwatch()
        self._pause = 0.0

    def __call__(self, wanted: str, found: str) -> Iterator[Answers]:
        if not self._has_contacts:
            contacts = self._answers_to(lambda hook: hook.get_contacts(group=False))
            self._has_contacts = True
            yield contacts
        for question in _questions_about(wanted, found):
            yield self._answers_to(question)

    def _answers_to(self, question: Callable[[GreenApiHook], Answers]) -> Answers:
        if self._outage is not None and self._since_outage.seconds() < self._pause:
            raise self._outage.with_traceback(None)
        asked = Stopwatch()
        try:
            return question(self._hook())
        except GreenApiError as error:
            if error.retryable:
                self._pause = max(ASK_AGAIN_AFTER, asked.seconds())
                self._outage, self._since_outage = error, Stopwatch()
                raise
            log.warning("The gateway didn't tell who is who: %s Ids that differ may be one person's.", error)
            return ()


def _questions_about(wanted: str, found: str) -> Iterator[Callable[[GreenApiHook], Answers]]:
    """Yield what to ask about one person; an answer that doesn't repeat the id asked for gets it.

    What counts towards a limit of the plan comes last.
    """
    number = phone_of(wanted)
    if number and counts_messages(found):
        yield lambda hook: [_of(_check_account(hook, number), wanted)]
        return
    yield lambda hook: [_of(hook.get_contact_info(wanted), wanted)]
    if number or lid_of(wanted):
        yield lambda hook: [_of(hook.check_whatsapp(number or wanted), wanted)]


def _check_account(hook: GreenApiHook, number: str) -> Any:
    """Ask as Telegram and MAX want it."""
    return hook.call("POST", "checkAccount", {"phoneNumber": checked_phone(number)}, repeat=True)


def _of(answer: Any, asked_for: str) -> Mapping[str, Any]:
    return {**answer, "id": asked_for} if isinstance(answer, dict) else {}
