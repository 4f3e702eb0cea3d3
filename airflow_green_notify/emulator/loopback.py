"""Which requests to the control plane come from programs and pages of this machine."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
SITES = frozenset({"same-origin", "same-site", "none"})
CONTENT_TYPES = ("application/json", "application/x-ndjson")


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine, by one of the names that always do."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and parts.hostname in NAMES and parts.port != 0
    except ValueError:
        return False


def refusal_of(request: web.BaseRequest) -> tuple[int, str] | None:
    """Status and words for a request that a foreign page may have made; ``None``: it is let in.

    A browser tells whose page it acts for in ``Origin`` and ``Sec-Fetch-Site``. A page whose name was made to
    lead here after it was loaded gives that name in ``Host``. A form can send neither type of content.
    """
    headers = request.headers
    if [host for host in headers.getall("Host", [""]) if not is_loopback(f"http://{host}")]:
        return 403, f"the Host must be one of {', '.join(sorted(NAMES))}"
    if [origin for origin in headers.getall("Origin", []) if not is_loopback(origin)]:
        return 403, "the Origin is a page of another machine"
    if [site for site in headers.getall("Sec-Fetch-Site", []) if site not in SITES]:
        return 403, "the request comes from the page of another site (Sec-Fetch-Site)"
    if request.method == "POST" and request.content_type not in CONTENT_TYPES:
        return 415, f"the Content-Type must be {' or '.join(CONTENT_TYPES)}"
    return None
