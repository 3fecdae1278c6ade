"""The one form behind the search page, the search API and the search command."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gallery.examples import EXAMPLE
from gallery.uploads.ingest import query_limits
from mlcore.errors import InvalidQueryError
from mlcore.query import normalise_text
from search.filters import FILTERS, ImageFilter
from search.parameters import DEFAULT_PAGE_SIZE, MAX_ID, MAX_PARTS, PARAMETERS, RELEVANCE, Parameter
from search.periods import days_of
from search.query import (
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
from search.syntax import read_typed


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
            except InvalidQueryError as error:
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
    raise InvalidQueryError("search.no_picture_id", value=value[:40])


class Asked(NamedTuple):
    """What was typed."""

    parts: list[Part]
    conditions: list[tuple[str, str]]
    """Filters by name, with their values."""


class TypedField(PartsField):
    """Words, and in them what narrows down; see ``search.syntax``."""

    def to_python(self, value: Any) -> Any:
        values = value if isinstance(value, list | tuple) else [value]
        asked = Asked([], [])
        for each in values:
            try:
                typed = read_typed(normalise_text("" if each is None else str(each)))
            except InvalidQueryError as error:
                raise ValidationError(str(error)) from error
            asked.parts.extend(super().to_python(typed.text))
            asked.conditions.extend(typed.conditions)
        return asked


def _form_field(declared: Parameter) -> forms.Field:
    match declared.kind:
        case "words" if declared.name == "q":
            return TypedField(_words, label=declared.label)
        case "words" | "pictures":
            read = _words if declared.kind == "words" else _picture
            return PartsField(read, wanted=declared.is_wanted, label=declared.label)
        case "choice":
            choices = [("", ""), *declared.choices]
            return forms.ChoiceField(label=declared.label, required=False, choices=choices)
        case kind:
            field = forms.FloatField if kind == "share" else forms.IntegerField
            return field(
                label=declared.label,
                required=False,
                min_value=declared.least,
                max_value=declared.most,
            )


def _field(name: str) -> forms.Field:
    return FILTERS[name].form_field() if name in FILTERS else _form_field(PARAMETERS[name])


@cache
def _nothing(name: str) -> Any:
    """What a field reads where nothing was asked of it."""
    return _field(name).clean(None)


class SearchForm(forms.Form):
    image = forms.FileField(label=gettext_lazy("Picture"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Of some twenty fields a search asks for one or two; without data there are all of them.
        names = (n for n in (*PARAMETERS, *FILTERS) if not self.is_bound or n in self.data)
        self.fields |= {name: _field(name) for name in names}

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
        data = {name: _nothing(name) for name in (*PARAMETERS, *FILTERS)}
        data |= super().clean() or self.cleaned_data
        self._narrow_down(data)
        since, until = data.get("since"), data.get("until")
        if since and until and days_of(since)[0] > days_of(until)[1]:
            raise ValidationError(_("The first day is later than the last; exchange them."))
        count = sum(len(data.get(name, ())) for name, each in PARAMETERS.items() if each.is_part)
        if count + bool(data.get("image")) > MAX_PARTS:
            raise ValidationError(
                _("A search may have at most %(count)s parts; take some away.")
                % {"count": MAX_PARTS}
            )
        return data

    def _narrow_down(self, data: dict[str, Any]) -> None:
        """Let what was typed stand with the filters that were given."""
        asked: Asked = data.get("q") or Asked([], [])
        data["q"] = asked.parts
        for name, value in asked.conditions:
            declared = FILTERS[name]
            try:
                read = _field(name).clean(value)
            except ValidationError as error:
                self.add_error("q", error)
                continue
            data[name] = (*data.get(name, ()), *read) if declared.is_many else read

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
            sort=data.get("sort") or RELEVANCE,
            min_relevance=data.get("min_relevance") or 0.0,
        )


def _shortened(where: ImageFilter) -> ImageFilter:
    """Spell a period that is a whole year or month as such."""
    since, until = where["since"], where["until"]
    if since and until:
        days = days_of(since)[0], days_of(until)[1]
        for whole in (since[:4], since[:7]):
            if days_of(whole) == days:
                return where.changed(since=whole, until=whole)
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
