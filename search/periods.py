"""Years, months and days, as addresses and people write them."""

import re
from calendar import monthrange
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.formats import date_format

from mlcore.errors import InvalidQueryError

_PARTIAL_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)


def days_of(text: str) -> tuple[date, date]:
    """Return the first and the last day of a year, a month or a day: ``2024-05`` is all of May.

    Raises InvalidQueryError where it is none of these.
    """
    match = _PARTIAL_DATE.fullmatch(text)
    year, month, day = match.groups() if match else ("0", None, None)
    try:
        first = date(int(year), int(month or 1), int(day or 1))
    except ValueError as error:
        raise InvalidQueryError("search.no_period", text=text) from error
    if day:
        return first, first
    last_month = first.month if month else 12
    return first, first.replace(month=last_month, day=monthrange(first.year, last_month)[1])


def period_name(value: str) -> str:
    """Spell a year, a month or a day as people do."""
    formats = {4: "Y", 7: "F Y", 10: "j F Y"}
    return date_format(days_of(value)[0], formats[len(value)])


class PeriodField(forms.CharField):
    """A year, a month or a day, as ISO 8601 writes them."""

    def to_python(self, value: Any) -> str:
        text = super().to_python(value) or ""
        if text:
            try:
                days_of(text)
            except InvalidQueryError as error:
                raise ValidationError(str(error)) from error
        return text
