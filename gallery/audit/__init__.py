"""The audit trail: what changes who sees what, what is live, and who may do what.

Services call :func:`record` in the transaction of the change itself, so that neither is there
without the other. Who asks, and from where, is known from the request that is being answered; a
worker says for whom it works.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from rest_framework.throttling import BaseThrottle

from gallery.models import AuditEvent
from gallery.models.choices import Visibility
from mlcore.i18n import Message

AT_ONCE = 1_000
"""Objects that one event names; what is done to more of them is several events."""

_answered: ContextVar[HttpRequest | None] = ContextVar("answered", default=None)


@contextmanager
def answering(request: HttpRequest) -> Iterator[None]:
    """Let what is recorded within be of this request."""
    token = _answered.set(request)
    try:
        yield
    finally:
        _answered.reset(token)


def record(
    code: str, *, user: User | None = None, kind: str = "", pk: object = "", **params: Any
) -> None:
    """Write down what was done.

    Args:
        code: without its ``audit.``; its sentence stands in ``gallery.messages.audit``.
        user: who did it; whoever asks, where nobody is named.
        kind, pk: the object, such as ``image`` and its id.
        params: what the sentence is filled with.
    """
    request = _answered.get()
    if user is None and request is not None:
        asking = getattr(request, "user", None)
        user = asking if isinstance(asking, User) or getattr(asking, "pk", None) else None
    AuditEvent.objects.create(
        code=code,
        user_id=user.pk if user else None,
        user_name=user.get_username() if user else "",
        object_kind=kind,
        object_id=str(pk),
        params=Message.of(code, **params).as_json()["params"],
        address=_address(request) if request is not None else "",
    )


def record_images(code: str, ids: Sequence[int], **params: Any) -> None:
    """Write down what was done to these pictures."""
    for start in range(0, len(ids), AT_ONCE):
        some = [str(pk) for pk in ids[start : start + AT_ONCE]]
        one = some[0] if len(some) == 1 else ""
        record(code, kind="image", pk=one, count=len(some), ids=some, **params)


def record_shown(
    ids: Sequence[int], visibility: str, groups: Iterable[Group] = (), *, user: User | None = None
) -> None:
    """Write down who sees these pictures from now on."""
    names = [group.name for group in groups]
    is_for_groups = visibility == Visibility.GROUPS
    audience = (
        Message.of("audit.groups", names=names) if is_for_groups else Message(f"audit.{visibility}")
    )
    record_images("images_shown", ids, user=user, visibility=visibility, audience=audience)


def forget_old() -> int:
    """Remove events that were kept for long enough; return how many."""
    days = settings.CONTEXTVISION_AUDIT_DAYS
    return AuditEvent.objects.forget(timedelta(days=days)) if days else 0


def hashed(address: str) -> str:
    """Tell addresses apart without telling which they are: 16 digits that need our secret."""
    return salted_hmac("contextvision.audit", address, algorithm="sha256").hexdigest()[:16]


def _address(request: HttpRequest) -> str:
    kept = settings.CONTEXTVISION_AUDIT_ADDRESSES
    if kept == "none":
        return ""
    # Trusted proxies are counted as for the throttles.
    address = str(BaseThrottle().get_ident(request) or "")  # type: ignore[arg-type]
    return address[:64] if kept == "whole" else hashed(address)
