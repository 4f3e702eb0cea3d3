"""How often the gateway may be asked for each method."""

from __future__ import annotations

from typing import NamedTuple


class Rate(NamedTuple):
    """The documented limit of a method: ``limit`` requests in ``seconds``, per instance.

    :param is_adjustable: Whether the connection's ``requests_per_second`` takes the place of ``limit``.
    """

    limit: int
    seconds: float = 1.0
    is_adjustable: bool = False


QUEUE_RATE = Rate(100, is_adjustable=True)
ACCOUNT_RATE = Rate(1)
SENDING_RATE = Rate(50)
CHAT_RATE = Rate(10)
MEDIA_RATE = Rate(5)

_METHODS = {
    QUEUE_RATE: "receiveNotification deleteNotification",
    SENDING_RATE: "sendMessage sendFileByUpload sendFileByUrl sendLocation sendContact sendPoll "
    "forwardMessages sendButtons sendTemplateButtons sendListMessage sendLink sendInteractiveButtons "
    "sendInteractiveButtonsReply",
    CHAT_RATE: "getMessage checkWhatsapp checkAccount readChat editMessage deleteMessage getAvatar "
    "archiveChat unarchiveChat addGroupParticipant removeGroupParticipant setGroupAdmin removeAdmin "
    "leaveGroup",
    MEDIA_RATE: "downloadFile sendTextStatus sendVoiceStatus sendMediaStatus",
    Rate(1, 10.0): "setProfilePicture",
}
_RATES = {name.lower(): rate for rate, names in _METHODS.items() for name in names.split()}


def rate_of(method: str) -> Rate:
    """Return the limit of a method, however it is spelled; one that isn't listed is asked once a second."""
    return _RATES.get(method.lower(), ACCOUNT_RATE)
