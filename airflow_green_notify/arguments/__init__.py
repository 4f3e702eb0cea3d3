"""Arguments of operators, sensors and triggers: judged where a Dag is parsed, and once they are rendered.

A judge gets an argument's name and value, and returns the value in the form that is used, or raises a
:class:`ValueError` that says what the argument was and what it may be. A Dag file calls it for what no
template hides; the running task calls it again for everything.
"""

from airflow_green_notify.arguments.calls import method_of, payload_of, verb_of
from airflow_green_notify.arguments.chats import chat_of, recipient_of
from airflow_green_notify.arguments.consumers import consumer_of, start_of
from airflow_green_notify.arguments.functions import (
    filter_argument,
    handler_in_chat_of,
    handler_of,
    matching_of,
)
from airflow_green_notify.arguments.judging import (
    Judge,
    has_template,
    of_trigger,
    optional,
    refusal,
    unless_template,
)
from airflow_green_notify.arguments.notifications import as_dicts, notification_of, notifications_of
from airflow_green_notify.arguments.numbers import (
    count_of,
    integer_of,
    linger_of,
    moment_of,
    positive_seconds_of,
    receive_timeout_of,
    seconds_of,
)
from airflow_green_notify.arguments.stores import (
    check_apart,
    our_store_of,
    sql_store_of,
    store_of,
    store_or,
    streaming_store_of,
)
from airflow_green_notify.arguments.words import (
    boolean_of,
    choice_of,
    connection_of,
    connections_of,
    names_of,
    options_of,
    path_of,
    plain_boolean_of,
)

__all__ = [
    "Judge",
    "as_dicts",
    "boolean_of",
    "chat_of",
    "check_apart",
    "choice_of",
    "connection_of",
    "connections_of",
    "consumer_of",
    "count_of",
    "filter_argument",
    "handler_in_chat_of",
    "handler_of",
    "has_template",
    "integer_of",
    "linger_of",
    "matching_of",
    "method_of",
    "moment_of",
    "names_of",
    "notification_of",
    "notifications_of",
    "of_trigger",
    "optional",
    "options_of",
    "our_store_of",
    "path_of",
    "payload_of",
    "plain_boolean_of",
    "positive_seconds_of",
    "receive_timeout_of",
    "recipient_of",
    "refusal",
    "seconds_of",
    "sql_store_of",
    "start_of",
    "store_of",
    "store_or",
    "streaming_store_of",
    "unless_template",
    "verb_of",
]
