"""The one form behind the search page, the search API and the search command."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gallery.examples import EXAMPLE
from gallery.models.image import Colour, Orientation, Split
from gallery.selectors import ImageFilter, days_of
from gallery.uploads import query_limits
from mlcore.errors import InvalidQueryError
from mlcore.query import normalise_text
from search.query import (
    DEFAULT_PAGE_SIZE,
    MAX_PARTS,
    MAX_WEIGHT,
    MIN_WEIGHT,
    GalleryPicture,
    KeptExample,
    Part,
    QueryImage,
    SearchQuery,
    Subject,
    Words,
    split_weight,
)

FILTERS = tuple(condition.name for condition in fields(ImageFilter))
MAX_PAGE_SIZE = 100
MAX_ID = 2**63 - 1
"""The largest number that the database has for an id."""
MAX_OFFSET = 10_000
"""Results this far down mean nothing any more; asking for them only costs time."""


class PartsField(forms.Field):
    """Parts of a query, any number of them, each with a weight behind it if it is not 1."""

    widget = forms.MultipleHiddenInput

    def __init__(
        self, read: Callable[[str], Subject | None], *, wanted: bool = True, **options: Any
    ) -> None:
        super().__init__(required=False, **options)
        self._read = read
        self._wanted = wanted

    def to_python(self, value: Any) -> list[Part]:
        values = value if isinstance(value, list | tuple) else [value]
        parts = []
        for each in values:
            try:
                bare, weight = split_weight("" if each is None else str(each))
                subject = self._read(bare)
            except (InvalidQueryError, ValueError) as error:
                raise ValidationError(str(error)) from error
            if subject is not None:
                parts.append(Part(subject, weight, self._wanted))
        return parts


def _words(value: str) -> Words | None:
    text = normalise_text(value)
    return Words(text) if text else None


def _picture(value: str) -> GalleryPicture | KeptExample | None:
    value = value.strip()
    if not value:
        return None
    if value.startswith(EXAMPLE):
        return KeptExample(value.removeprefix(EXAMPLE))
    if value.isascii() and value.isdecimal() and len(value) <= len(str(MAX_ID)):
        pk = int(value)
        if 1 <= pk <= MAX_ID:
            return GalleryPicture(pk)
    raise ValueError(_("“%(value)s” is not the id of a picture.") % {"value": value[:40]})


class PeriodField(forms.CharField):
    """A year, a month or a day, as ISO 8601 writes them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, max_length=10, **options)

    def to_python(self, value: Any) -> str:
        text = super().to_python(value) or ""
        if text:
            try:
                days_of(text)
            except ValueError as error:
                raise ValidationError(str(error)) from error
        return text


class SearchForm(forms.Form):
    q = PartsField(_words, label=gettext_lazy("Words"))
    without = PartsField(_words, wanted=False, label=gettext_lazy("Without"))
    like = PartsField(_picture, label=gettext_lazy("More like"))
    unlike = PartsField(_picture, wanted=False, label=gettext_lazy("Less like"))
    image = forms.FileField(label=gettext_lazy("Picture"), required=False)
    weight = forms.FloatField(
        label=gettext_lazy("Share of the words"), required=False, min_value=0, max_value=1
    )
    collection = forms.CharField(required=False, max_length=120)
    tag = forms.CharField(required=False, max_length=60)
    split = forms.ChoiceField(required=False, choices=Split.choices)
    orientation = forms.ChoiceField(required=False, choices=[("", ""), *Orientation.choices])
    colour = forms.ChoiceField(required=False, choices=[("", ""), *Colour.choices])
    since = PeriodField(label=gettext_lazy("From"))
    until = PeriodField(label=gettext_lazy("To"))
    uploader = forms.CharField(required=False, max_length=150)
    limit = forms.IntegerField(required=False, min_value=1, max_value=MAX_PAGE_SIZE)
    offset = forms.IntegerField(required=False, min_value=0, max_value=MAX_OFFSET)

    def clean_image(self) -> QueryImage | None:
        upload = self.cleaned_data.get("image")
        if not upload:
            return None
        limits = query_limits()
        if upload.size > limits.max_bytes:
            megabytes = limits.max_bytes // (1024 * 1024)
            raise ValidationError(
                _("The picture is larger than %(megabytes)s MB; use a smaller one.")
                % {"megabytes": megabytes}
            )
        return QueryImage(name=upload.name or "picture", data=upload.read())

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        since, until = data.get("since"), data.get("until")
        if since and until and days_of(since)[0] > days_of(until)[1]:
            raise ValidationError(_("The first day is later than the last; exchange them."))
        count = sum(len(data.get(name, ())) for name in ("q", "without", "like", "unlike"))
        if count + bool(data.get("image")) > MAX_PARTS:
            raise ValidationError(
                _("A search may have at most %(count)s parts; take some away.")
                % {"count": MAX_PARTS}
            )
        return data

    def query(self) -> SearchQuery:
        """Turn valid input into a query."""
        data = self.cleaned_data
        parts = [*data["q"], *data["without"], *data["like"], *data["unlike"]]
        if data["image"]:
            parts.append(Part(data["image"]))
        if data.get("weight") is not None:
            parts = _shared_out(parts, data["weight"])
        return SearchQuery(
            parts=tuple(parts),
            where=_shortened(ImageFilter(**{name: data[name] for name in FILTERS})),
            limit=data.get("limit") or DEFAULT_PAGE_SIZE,
            offset=data.get("offset") or 0,
        )


def _shortened(where: ImageFilter) -> ImageFilter:
    """Spell a period that is a whole year or month as such."""
    if where.since and where.until:
        days = days_of(where.since)[0], days_of(where.until)[1]
        for whole in (where.since[:4], where.since[:7]):
            if days_of(whole) == days:
                return replace(where, since=whole, until=whole)
    return where


def _shared_out(parts: list[Part], share: float) -> list[Part]:
    """Weigh words by this share and pictures by the rest, where both are asked for."""
    if len({part.has_words for part in parts if part.wanted}) < 2:
        return parts
    weighed = []
    for part in parts:
        weight = part.weight * 2 * (share if part.has_words else 1 - share)
        if weight:
            weight = min(max(weight, MIN_WEIGHT), MAX_WEIGHT)
            weighed.append(Part(part.subject, weight, part.wanted))
    return weighed
