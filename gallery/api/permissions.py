"""Who may do what through the API."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request


class StaffOrReadOnly(BasePermission):
    """Everybody reads (what they may see), staff write."""

    message = _("Only staff may change anything.")

    def has_permission(self, request: Request, view: Any) -> bool:
        return request.method in SAFE_METHODS or bool(request.user and request.user.is_staff)


class StaffOnly(BasePermission):
    message = _("Only staff may see this.")

    def has_permission(self, request: Request, view: Any) -> bool:
        return bool(request.user and request.user.is_staff)
