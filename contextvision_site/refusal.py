"""What is said to whoever is refused at the door, made before there is no time for it."""

import re
from http import HTTPStatus
from types import SimpleNamespace

from django.conf import settings
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils import translation
from django.utils.translation import gettext

_LINE = re.compile(rb"^(?P<name>accept-language|cookie):\s*(?P<value>[^\r\n]*)", re.I | re.M)


class Refusals:
    """Whole HTTP answers with status 503: a page and a problem document in each language."""

    def __init__(self) -> None:
        self._answers = {
            (language, path): _rendered(language, path)
            for language, _ in settings.LANGUAGES
            for path in ("/", "/api/")
        }

    def answer(self, head: bytes) -> bytes:
        """Choose by the head of a request, as the site itself would."""
        target = head.split(b" ", 2)[1:2]
        path = "/api/" if target and target[0].startswith(b"/api/") else "/"
        return self._answers[_language(head), path]


def _language(head: bytes) -> str:
    lines = {line["name"].lower(): line["value"].decode("latin-1") for line in _LINE.finditer(head)}
    chosen = re.search(rf"\b{settings.LANGUAGE_COOKIE_NAME}=([\w-]+)", lines.get(b"cookie", ""))
    asked = SimpleNamespace(
        COOKIES={settings.LANGUAGE_COOKIE_NAME: chosen[1] if chosen else ""},
        META={"HTTP_ACCEPT_LANGUAGE": lines.get(b"accept-language", "")},
    )
    return translation.get_language_from_request(asked)  # type: ignore[arg-type]


def _rendered(language: str, path: str) -> bytes:
    request = RequestFactory().get(path)
    request.htmx = False  # type: ignore[attr-defined]
    with translation.override(language):
        from contextvision_site.middleware import outage_response  # needs Django to be set up

        response = outage_response(request, gettext("Too many people ask at the same time."))
    response["Content-Language"] = language
    response["Cache-Control"] = "no-store"
    return _serialised(response)


def _serialised(response: HttpResponse) -> bytes:
    body = response.content
    lines = [
        f"HTTP/1.1 {response.status_code} {HTTPStatus(response.status_code).phrase}",
        *(f"{name}: {value}" for name, value in response.items()),
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
