"""Who may do what through the API."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from gallery.access import is_closed, require

Needs: TypeAlias = Mapping[str, tuple[str, ...]]
"""Rights by action, or by method where a view has no actions. With none to name, an account is
needed all the same; what is not named is open to everybody, who finds what he may see."""


def needed_for(view: Any) -> tuple[str, ...] | None:
    """Return the rights that a view asks for what is done now; None where it asks nothing."""
    needs: Needs = view.needs
    action = getattr(view, "action", None) or (view.request.method or "").lower()
    return needs.get(action)


class Open(BasePermission):
    """Lets everybody in, or where the site is closed to strangers, everybody with an account."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return bool(request.user.is_authenticated) or not is_closed()


class Permitted(Open):
    """Asks for what the ``needs`` of the view name; of pictures and jobs, querysets say whose."""

    def has_permission(self, request: Request, view: Any) -> bool:
        needed = needed_for(view)
        if needed is None:
            return super().has_permission(request, view)
        if not request.user.is_authenticated:
            return False
        require(request.user, *needed)
        return True
