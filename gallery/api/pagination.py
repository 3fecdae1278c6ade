"""Pages by cursor: they stay in step while pictures come and go."""

from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.serializers import IntegerField

INVALID_CURSOR = {"cursor": ["This is not a cursor of this list; follow its own links."]}


class CursorPages(CursorPagination):
    page_size = 24
    max_page_size = 100
    page_size_query_param = "limit"
    page_size_query_description = f"Results on a page, 1 to {max_page_size}."
    ordering = ("-id",)
    _limit = IntegerField(min_value=1, max_value=max_page_size)

    def get_page_size(self, request: Request) -> int:
        wanted = request.query_params.get("limit")
        if wanted is None:
            return self.page_size
        try:
            return int(self._limit.run_validation(wanted))
        except ValidationError as error:
            raise ValidationError({"limit": error.detail}) from error

    def paginate_queryset(
        self, queryset: Any, request: Request, view: Any = None
    ) -> list[Any] | None:
        try:
            return super().paginate_queryset(queryset, request, view)
        # A cursor that was tampered with names no place in the list.
        except (NotFound, ValueError, DjangoValidationError) as error:
            raise ValidationError(INVALID_CURSOR) from error

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        parameters: list[dict[str, Any]] = super().get_schema_operation_parameters(view)
        for parameter in parameters:
            if parameter["name"] == "limit":
                parameter["schema"] = {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": self.max_page_size,
                    "default": self.page_size,
                }
        return parameters


class PicturePages(CursorPages):
    """Pages in the order that was asked for, which the filters have checked."""

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> tuple[str, ...]:
        wanted = request.query_params.get("ordering") or "-id"
        tie_break = "-id" if wanted.startswith("-") else "id"
        return tuple(dict.fromkeys([wanted, tie_break]))


class OldestFirst(CursorPages):
    """Pages of what goes on growing while it is read."""

    ordering = ("id",)
