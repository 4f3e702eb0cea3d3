"""The gateway's documented rates, per method: so many requests in so many seconds."""

from __future__ import annotations

import time
from collections import deque

PER_SECOND: dict[int, tuple[str, ...]] = {
    100: ("receiveNotification", "deleteNotification"),
    50: (
        "sendMessage",
        "sendFileByUrl",
        "sendFileByUpload",
        "sendLocation",
        "sendContact",
        "sendPoll",
        "sendLink",
        "sendButtons",
        "sendTemplateButtons",
        "sendListMessage",
        "sendInteractiveButtons",
        "sendInteractiveButtonsReply",
        "forwardMessages",
    ),
    10: (
        "getMessage",
        "checkWhatsapp",
        "checkAccount",
        "readChat",
        "editMessage",
        "deleteMessage",
        "getAvatar",
        "archiveChat",
        "unarchiveChat",
        "addGroupParticipant",
        "removeGroupParticipant",
        "setGroupAdmin",
        "removeAdmin",
        "leaveGroup",
        "deleteStatus",
    ),
    5: ("downloadFile", "sendTextStatus", "sendVoiceStatus", "sendMediaStatus"),
    3: ("qr",),
}
DIFFERENT: dict[str, dict[str, int]] = {  # what is not as on WhatsApp
    "telegram": {"getMessage": 1},
    "v3": {"getMessage": 1, "downloadFile": 1, "qr": 1},
}
DEFAULT_PER_SECOND = 1
ONCE_IN: dict[tuple[str, str], float] = {  # seconds between two, where that is more than one
    ("setProfilePicture", "whatsapp"): 10.0,
    ("setProfilePicture", "telegram"): 10.0,
}
UNLIMITED = {("uploadFile", "whatsapp"), ("uploadFile", "telegram")}  # no figure is documented there
WHATSAPP = {method: limit for limit, methods in PER_SECOND.items() for method in methods}


class Rates:
    """Counts the requests of one instance over a sliding window, in real time."""

    def __init__(self, type_instance: str) -> None:
        self._type_instance = type_instance
        self._limits = WHATSAPP | DIFFERENT.get(type_instance, {})
        self._recent: dict[str, deque[float]] = {}

    def allow(self, method: str) -> bool:
        """Whether one more request of ``method`` is within its rate; only then it counts."""
        if (method, self._type_instance) in UNLIMITED:
            return True
        recent = self._recent.get(method)
        if recent is None:
            recent = self._recent[method] = deque(maxlen=self._limits.get(method, DEFAULT_PER_SECOND))
        now = time.monotonic()
        span = ONCE_IN.get((method, self._type_instance), 1.0)
        if len(recent) == recent.maxlen and now - recent[0] < span:
            return False
        recent.append(now)
        return True
