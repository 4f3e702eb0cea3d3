"""The scheme ``green-api`` for ``MessageQueueTrigger`` of the provider common.messaging."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException

from airflow_green_notify.triggers import GreenApiDoorbellTrigger

try:
    from airflow.providers.common.messaging.providers.base_provider import BaseMessageQueueProvider
except ImportError as error:
    raise AirflowOptionalProviderFeatureException(
        "MessageQueueTrigger needs the provider common.messaging: "
        "pip install 'airflow-green-notify[common-messaging]'."
    ) from error

if TYPE_CHECKING:
    from airflow.triggers.base import BaseEventTrigger


class GreenApiMessageQueueProvider(BaseMessageQueueProvider):
    """Makes ``MessageQueueTrigger(scheme="green-api", …)`` a doorbell.

    It takes the arguments of :class:`~airflow_green_notify.triggers.doorbell.GreenApiDoorbellTrigger`, and a
    crash leaves behind what it says there: everything in the queue. ``green_api_conn_id`` may be a list.

    .. code-block:: python

        trigger = MessageQueueTrigger(scheme="green-api", green_api_conn_id="green_api_default")
        asset = Asset("inbox", watchers=[AssetWatcher(name="doorbell", trigger=trigger)])
    """

    scheme = "green-api"

    def queue_matches(self, queue: str) -> bool:
        """Match ``green-api://<connection id>``, the older form that common.messaging deprecates."""
        return queue.startswith("green-api://")

    def trigger_class(self) -> type[BaseEventTrigger]:
        """Return the doorbell."""
        return GreenApiDoorbellTrigger

    def trigger_kwargs(self, queue: str, **kwargs: Any) -> dict[str, Any]:
        """Return the doorbell's arguments for the older form."""
        return {"green_api_conn_id": queue.removeprefix("green-api://")}
