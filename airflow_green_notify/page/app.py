"""The routes of the page, who is let in, and the headers of each answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import get_user, requires_access_connection
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, Template
from starlette.exceptions import HTTPException as StarletteHTTPException

from airflow_green_notify.page.gather import Gathering

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

STATIC = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
"""All files that are served, and their types."""

PAGE, REFUSAL = "page.html", "refused.html"

REFUSED = {
    401: (
        "You are not signed in",
        "Airflow does not know who you are, or your session is over. Sign in to Airflow, and open this page "
        "again.",
    ),
    403: (
        "You may not see this page",
        "It shows what only those see who may read connections. Ask whoever administers Airflow for the "
        "permission to read connections (with the simple auth manager: the role op or admin).",
    ),
    500: (
        "This page can't be shown",
        "Something failed that is not to be told here: the log of the API server says what.",
    ),
}

User = Annotated[Any, Depends(get_user)]


@cache
def page_app() -> FastAPI:
    """Return the app. Whoever isn't signed in, or may not read connections, gets nothing of it."""
    app = FastAPI(
        title="GREEN-API",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(requires_access_connection("GET"))],
    )
    app.add_api_route("/", show, methods=["GET"])
    app.add_api_route("/static/{name}", static, methods=["GET"])
    app.middleware("http")(_with_headers)
    for kind in (StarletteHTTPException, Exception):
        app.exception_handler(kind)(_refuse)
    for name in (PAGE, REFUSAL):
        _template(name)  # compiled now rather than for the first who looks
    return app


def show(user: User) -> HTMLResponse:
    """Return the page."""
    return HTMLResponse(gathering().answer(get_auth_manager(), user))


@cache
def gathering() -> Gathering:
    """Return what all users of this process share."""
    return Gathering(lambda page: _template(PAGE).render(page=page))


def static(name: str) -> Response:
    """Return a file that belongs to the page."""
    if name not in STATIC:
        raise HTTPException(404, "There is no such file.")
    return Response(_static(name), media_type=STATIC[name])


async def _with_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers.update(HEADERS)
    return response


async def _refuse(request: Request, error: Exception) -> Response:
    status, headers = 500, HEADERS  # an error of ours passes by what adds the headers elsewhere
    if isinstance(error, StarletteHTTPException):
        status, headers = error.status_code, HEADERS | dict(error.headers or {})
    title, text = REFUSED.get(status, ("This page can't be shown", str(getattr(error, "detail", ""))))
    return HTMLResponse(_template(REFUSAL).render(title=title, text=text), status, headers)


@cache
def _environment() -> Environment:
    loader = PackageLoader("airflow_green_notify.page", "templates")
    return Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)


def _template(name: str) -> Template:
    return _environment().get_template(name)


@cache
def _static(name: str) -> bytes:
    return (files("airflow_green_notify.page") / "static" / name).read_bytes()
