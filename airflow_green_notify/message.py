"""Which message a notification brings, and how it is told from every other."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from airflow_green_notify.body import DIRECTIONS, UNDECRYPTED
from airflow_green_notify.contacts import counts_messages
from airflow_green_notify.json_text import canonical_json

if TYPE_CHECKING:
    from airflow_green_notify.notification import Notification

MESSAGE_TYPES = {
    kind: direction for kind, direction in DIRECTIONS.items() if kind.endswith("MessageReceived")
}
"""Notifications that carry a message, and its direction. A status names a message, but doesn't bring it."""

ABOUT_ANOTHER = ("editedMessage", "deletedMessage", "reactionMessage", "pollUpdateMessage")
"""Kinds of messages that say something about another one, and in some products bear its id."""

FAILURES = {
    "noAccount": "nobody has an account under this number",
    "notInGroup": "the instance is not in that group",
    "failed": "the messenger did not take it",
    "noActiveSession": "the 24 hours in which the receiver may be written to are over",
    "yellowCard": "the messenger suspects spam and holds back what this instance sends",
    "suspended": "the messenger suspended the account",
}
"""Statuses of a message that doesn't reach its receiver, and what they mean."""


class Message(NamedTuple):
    """Identity of a message, whichever way it came.

    :param chat_id: Empty on WhatsApp, where the id alone is unique, and one chat has two ids: a phone number
        and a LID. On Telegram and MAX an id is unique only within its chat, and chat ids are numbers.
    :param kind: Its direction; what it does to another message; whether it is but a marker in the place of
        one that could not be decrypted, and comes again under the same id.
    """

    instance_id: str
    chat_id: str
    id_message: str
    kind: str


def message_of(notification: Notification) -> Message | None:
    """Return the identity of the message that a notification brings; ``None`` if it brings none."""
    return identity(
        notification.instance_id,
        notification.chat_id,
        notification.id_message,
        notification.type_webhook,
        notification.type_message,
        notification.text,
    )


def identity(
    instance_id: str | None,
    chat_id: str | None,
    id_message: str | None,
    type_webhook: str | None,
    type_message: str | None,
    text: str | None,
) -> Message | None:
    """Do the same as :func:`message_of` for the columns of a row; ``text`` counts where it tells kinds apart.

    What can't be told apart from another message has no identity: better stored twice than taken for it.
    """
    kind = [MESSAGE_TYPES.get(type_webhook or "", "")]
    if not (kind[0] and instance_id and id_message):
        return None
    if type_message in ABOUT_ANOTHER:
        kind.append(str(type_message))
    if type_message == "editedMessage" or text in UNDECRYPTED:
        kind.append(str(text))
    within = chat_id if chat_id and counts_messages(chat_id) else ""
    return Message(instance_id, within, id_message, " ".join(kind))


def journal_key(message: Message) -> str:
    """Return the key under which a message is stored that came from a journal."""
    identity = canonical_json(["journal", *message])
    return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:32]
