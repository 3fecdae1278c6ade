"""What a search can be narrowed down by.

Each filter is declared once, in :data:`FILTERS`. The form's fields, the parameters of the API, the
options of ``manage.py search``, the chips of the page, what it offers to narrow down by, and the
address of a search follow from it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from django import forms
from django.core.exceptions import ValidationError
from django.db.models.lookups import Exact, GreaterThanOrEqual, LessThanOrEqual
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gallery import fulltext
from gallery.access import Person
from gallery.models import Collection, Image, Tag
from gallery.models.choices import Colour, Orientation, Split
from gallery.models.image import MOMENT, ORIENTATION, ImageQuerySet
from gallery.selectors import whose_uploaders_are_known
from mlcore.config import IdVector
from mlcore.errors import InvalidQueryError
from mlcore.query import normalise_text
from mlcore.words import fold
from search.periods import PeriodField, days_of

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

MAX_WORDS = 200
"""Characters of words that are asked for in one place."""

Apply: TypeAlias = Callable[[ImageQuerySet, str, Person], ImageQuerySet]


class ManyField(forms.CharField):
    """Any number of texts, each once."""

    widget = forms.MultipleHiddenInput

    def clean(self, value: Any) -> tuple[str, ...]:
        given = value if isinstance(value, list | tuple) else [value]
        for each in given:
            try:
                normalise_text("" if each is None else str(each))
            except InvalidQueryError as error:
                raise ValidationError(str(error)) from error
        read = (super(ManyField, self).clean(each) for each in given)
        return tuple(dict.fromkeys(text for text in read if text))


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on pictures, given as text; empty text lets all through."""

    name: str
    """Its parameter in an address, in the API and on the command line."""
    help: str
    """What it does, in a sentence for programmers."""
    apply: Apply
    """Keeps the pictures that meet a value, for the person who asks."""
    chip: Callable[[str], str]
    """What a value reads like beside the search box, in the reader's language."""
    label: "_StrPromise | None" = None
    """What it is called before an error about it; its name where None."""
    choices: Sequence[tuple[str, "str | _StrPromise"]] = ()
    """The values that there are; empty where there is no list of them."""
    max_length: int | None = None
    """Characters of a value for which there is no list."""
    field: type[forms.CharField] = forms.CharField
    """Reads a value for which there is no list."""
    is_many: bool = False
    """Whether several values may be given, all of which must hold."""
    facet: "_StrPromise | None" = None
    """The question that the page asks to narrow down by it; None where it is not offered."""
    counted: str = ""
    """The column of pictures by which is counted how many there are of each value; empty where it
    is counted in a way of its own, or not at all."""
    is_name: bool = False
    """Whether the values are names that somebody gave, which may tell much."""

    def form_field(self) -> forms.Field:
        if self.is_many:
            return ManyField(label=self.label, required=False, max_length=self.max_length)
        if self.choices:
            choices = [("", ""), *self.choices]
            return forms.ChoiceField(label=self.label, required=False, choices=choices)
        return self.field(label=self.label, required=False, max_length=self.max_length)


def _in_collection(images: ImageQuerySet, value: str, user: Person) -> ImageQuerySet:
    return images.filter(collection__name__in=_alike(Collection, value))


def _tagged(images: ImageQuerySet, value: str, user: Person) -> ImageQuerySet:
    links = Image.tags.through.objects.filter(tag__name__in=_alike(Tag, value))
    return images.filter(pk__in=links.values("image_id"))


def _alike(model: type[Collection] | type[Tag], name: str) -> list[str]:
    """Return the name where there is one; else those that differ in case and accents alone."""
    if model.objects.filter(name=name).exists():
        return [name]
    names = model.objects.values_list("name", flat=True).iterator()
    return [each for each in names if fold(each) == fold(name)]


def _with_phrase(images: ImageQuerySet, value: str, user: Person) -> ImageQuerySet:
    return fulltext.with_phrase(images, value)


def _without_word(images: ImageQuerySet, value: str, user: Person) -> ImageQuerySet:
    return fulltext.without_word(images, value)


def _titled(images: ImageQuerySet, value: str, user: Person) -> ImageQuerySet:
    return fulltext.written_in(images, "title", value)


def _in_file_name(images: ImageQuerySet, value: str, user: Person) -> ImageQuerySet:
    return fulltext.written_in(images, "file", value)


def _in_split(images: ImageQuerySet, value: str, user: Person) -> ImageQuerySet:
    return images.filter(split=value)


def _lying(images: ImageQuerySet, value: str, user: Person) -> ImageQuerySet:
    return images.filter(Exact(ORIENTATION, value))


def _coloured(images: ImageQuerySet, value: str, user: Person) -> ImageQuerySet:
    return images.filter(dominant_colour=value)


def _since(images: ImageQuerySet, value: str, user: Person) -> ImageQuerySet:
    start = datetime.combine(days_of(value)[0], time.min, tzinfo=UTC)
    return images.filter(GreaterThanOrEqual(MOMENT, start))


def _until(images: ImageQuerySet, value: str, user: Person) -> ImageQuerySet:
    end = datetime.combine(days_of(value)[1], time.max, tzinfo=UTC)
    return images.filter(LessThanOrEqual(MOMENT, end))


def _uploaded_by(images: ImageQuerySet, value: str, user: Person) -> ImageQuerySet:
    """Who uploaded what is for editors to know, and for everybody of himself."""
    return whose_uploaders_are_known(images.filter(uploader__username=value), user)


def _made_by(images: ImageQuerySet, value: str, user: Person) -> ImageQuerySet:
    return images.filter(creator=value)


def _taken_with(images: ImageQuerySet, value: str, user: Person) -> ImageQuerySet:
    return images.filter(camera=value)


FILTERS: dict[str, Filter] = {
    each.name: each
    for each in (
        Filter(
            "phrase",
            "Only pictures on which these words are written one after the other, in title, "
            "caption, tag, collection, file name, creator or credit.",
            _with_phrase,
            chip=lambda value: _("with the words “%(text)s”") % {"text": value},
            max_length=MAX_WORDS,
            is_many=True,
        ),
        Filter(
            "exclude",
            "Only pictures on which this word is not written, in any of its forms. `without` "
            "steers away from what looks so.",
            _without_word,
            chip=lambda value: _("no “%(text)s” written") % {"text": value},
            max_length=MAX_WORDS,
            is_many=True,
        ),
        Filter(
            "title",
            "Only pictures with these words in their title.",
            _titled,
            chip=lambda value: _("title: %(text)s") % {"text": value},
            max_length=MAX_WORDS,
            is_many=True,
        ),
        Filter(
            "file",
            "Only pictures with these words in the name of their file; a number or a name is found "
            "by its beginning.",
            _in_file_name,
            chip=lambda value: _("file: %(text)s") % {"text": value},
            max_length=MAX_WORDS,
            is_many=True,
        ),
        Filter(
            "collection",
            "Only pictures of this collection.",
            _in_collection,
            chip=lambda value: _("in %(name)s") % {"name": value},
            max_length=120,
            facet=gettext_lazy("Collection"),
            counted="collection__name",
            is_name=True,
        ),
        Filter(
            "tag",
            "Only pictures with this tag, or with all of several.",
            _tagged,
            chip=lambda value: _("tagged %(name)s") % {"name": value},
            max_length=100,
            is_many=True,
            facet=gettext_lazy("Tag"),
            counted="tags__name",
            is_name=True,
        ),
        Filter(
            "since",
            "Only pictures taken, or else added, from this day, month or year on: "
            "`2024-05-17`, `2024-05` or `2024`.",
            _since,
            chip=lambda value: _("from %(date)s") % {"date": value},
            label=gettext_lazy("From"),
            max_length=10,
            field=PeriodField,
            facet=gettext_lazy("Taken, or added where that is not known"),
        ),
        Filter(
            "until",
            "Likewise, up to its last day.",
            _until,
            chip=lambda value: _("to %(date)s") % {"date": value},
            label=gettext_lazy("To"),
            max_length=10,
            field=PeriodField,
        ),
        Filter(
            "orientation",
            "Only pictures that lie this way; within a twentieth of a square it is one.",
            _lying,
            chip=lambda value: str(Orientation(value).label),
            choices=Orientation.choices,
            facet=gettext_lazy("Orientation"),
        ),
        Filter(
            "colour",
            "Only pictures of which this colour stands out.",
            _coloured,
            chip=lambda value: str(Colour(value).label),
            choices=Colour.choices,
            facet=gettext_lazy("Colour"),
            counted="dominant_colour",
        ),
        Filter(
            "split",
            "Only pictures of this part of a data set.",
            _in_split,
            chip=lambda value: _("split %(name)s") % {"name": value},
            choices=[choice for choice in Split.choices if choice[0]],
            facet=gettext_lazy("Part of a data set"),
            counted="split",
        ),
        Filter(
            "creator",
            "Only pictures whose file names this creator.",
            _made_by,
            chip=lambda value: _("made by %(name)s") % {"name": value},
            max_length=200,
            facet=gettext_lazy("Creator"),
            counted="creator",
            is_name=True,
        ),
        Filter(
            "camera",
            "Only pictures whose file names this camera.",
            _taken_with,
            chip=lambda value: _("taken with %(name)s") % {"name": value},
            max_length=100,
            facet=gettext_lazy("Camera"),
            counted="camera",
            is_name=True,
        ),
        Filter(
            "uploader",
            "Only pictures that this user uploaded; who may not know it of all finds his own only.",
            _uploaded_by,
            chip=lambda value: _("uploaded by %(name)s") % {"name": value},
            max_length=150,
            facet=gettext_lazy("Uploaded by"),
            counted="uploader__username",
            is_name=True,
        ),
    )
}
"""By name, in the order in which an address holds them."""


class ImageFilter:
    """Values of filters; each must hold. Never changes."""

    __slots__ = ("_values",)

    def __init__(self, **values: str | Sequence[str]) -> None:
        """Raises TypeError where there is no filter of a name."""
        unknown = values.keys() - FILTERS.keys()
        if unknown:
            raise TypeError(f"There is no filter {', '.join(sorted(unknown))}.")
        given = {name: _as_values(values[name]) for name in FILTERS if name in values}
        self._values = {name: some for name, some in given.items() if some}

    def __getitem__(self, name: str) -> str:
        """The first value of a filter, empty where it lets all through."""
        return next(iter(self.values(name)), "")

    def values(self, name: str) -> tuple[str, ...]:
        """All values of a filter."""
        return self._values.get(name, ())

    def __bool__(self) -> bool:
        return bool(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImageFilter) and self._values == other._values

    def __hash__(self) -> int:
        return hash(tuple(self._values.items()))

    def __repr__(self) -> str:
        return f"ImageFilter(**{self._values!r})"

    @property
    def asks_for_words(self) -> bool:
        """Whether it says by itself what is looked for, as a phrase and a tag do."""
        return any(name in self._values for name in ("phrase", "title", "file", "tag"))

    @property
    def is_asked_in_words(self) -> bool:
        """Whether some of the answers fit better than others: a tag is there, or it is not."""
        return any(name in self._values for name in ("phrase", "title", "file"))

    def parameters(self) -> list[tuple[str, str]]:
        """Return names and values of all conditions."""
        return [(name, value) for name, values in self._values.items() for value in values]

    def changed(self, **values: str | Sequence[str]) -> "ImageFilter":
        """Return the same with other values of these filters."""
        return ImageFilter(**{**self._values, **values})

    def lifted(self, name: str, value: str) -> "ImageFilter":
        """Return the same without this one value."""
        return self.changed(**{name: [each for each in self.values(name) if each != value]})

    def apply(self, images: ImageQuerySet, user: Person) -> ImageQuerySet:
        for name, value in self.parameters():
            images = FILTERS[name].apply(images, value, user)
        return images

    def chips(self) -> Iterator[tuple[str, str, str]]:
        """Yield the name and the value of each condition, and what it reads like."""
        for name, value in self.parameters():
            yield name, value, FILTERS[name].chip(value)


def _as_values(given: str | Sequence[str]) -> tuple[str, ...]:
    values = (given,) if isinstance(given, str) else given
    return tuple(value for value in dict.fromkeys(values) if value)


def matching_ids(where: ImageFilter, user: Person) -> IdVector:
    """Ids of all pictures that match and that this person may see: int64, shape (n,)."""
    ids = where.apply(Image.objects.visible_to(user), user).values_list("pk", flat=True).distinct()
    return np.fromiter(ids.order_by("pk").iterator(), dtype=np.int64)
