"""What several forms read."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from gallery.models import Collection


def read_id(text: str) -> int | None:
    """The id of a row; nothing for what no row can have as one."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def read_ids(texts: Iterable[str]) -> set[int]:
    """The ids among these."""
    return {pk for pk in map(read_id, texts) if pk is not None}


class ExistingCollectionField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """A collection that exists, by its name."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            queryset=Collection.objects.all(), to_field_name="name", required=False, **options
        )

    def to_python(self, value: Any) -> Collection | None:
        if isinstance(value, str) and "\0" in value:  # PostgreSQL would throw: it has no such text
            raise ValidationError(
                self.error_messages["invalid_choice"],
                code="invalid_choice",
                params={"value": value},
            )
        found: Collection | None = super().to_python(value)
        return found
