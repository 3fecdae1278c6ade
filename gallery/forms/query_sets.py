"""Queries that a team keeps, with the pictures that should come back."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from gallery.forms.fields import read_id, read_ids
from gallery.models import Image, SavedQuery, SavedQuerySet
from gallery.services import query_sets
from gallery.services.query_sets import DraftQuery
from mlcore.errors import ContextVisionError

TEXT_LENGTH = SavedQuery._meta.get_field("text").max_length or 0
NAME_LENGTH = SavedQuerySet._meta.get_field("name").max_length or 0
MOST_PICTURES = 200
"""Pictures that one query may name."""
BLANK_ROWS = 1
TOLERANCE = float(SavedQuerySet._meta.get_field("tolerance").default)


class IdsField(forms.CharField):
    """Ids of pictures, separated by commas or spaces."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, max_length=4000, **options)

    def clean(self, value: Any) -> list[int]:
        words = re.split(r"[\s,;]+", str(super().clean(value)).strip())
        ids = []
        for word in filter(None, words):
            if (pk := read_id(word)) is None:
                raise ValidationError(
                    _("“%(word)s” is not the id of a picture."), params={"word": word[:30]}
                )
            ids.append(pk)
        return ids


class PicturesField(forms.TypedMultipleChoiceField):
    """Ids of pictures that are shown with a box to tick; any whole number is let through here."""

    def __init__(self, **options: Any) -> None:
        super().__init__(coerce=int, required=False, **options)

    def valid_value(self, value: Any) -> bool:
        return read_id(str(value)) is not None


class QueryForm(forms.Form):
    """One query: its words, pictures that are shown with a box each, and more by their ids.

    What stands in a set is shown to be ticked away, so that few fields are sent whatever it holds.
    """

    text = forms.CharField(label=_("Query"), required=False, max_length=TEXT_LENGTH)
    shown = IdsField(widget=forms.HiddenInput)
    ticked = PicturesField()
    ids = IdsField(
        label=_("Pictures by id"),
        help_text=_("The number in a picture’s address; several with commas between."),
    )

    tick_keeps = False
    """Whether a ticked picture should come back, or should not any more."""

    def shown_ids(self) -> list[int]:
        """The pictures to show with a box."""
        try:
            return self.fields["shown"].clean(self["shown"].value() or "")  # type: ignore[no-any-return]
        except ValidationError:
            return []  # said beside the form

    def ticked_ids(self) -> set[int]:
        return read_ids(str(pk) for pk in self["ticked"].value() or ())

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        shown, ticked = data.get("shown", []), data.get("ticked", [])
        kept = ticked if self.tick_keeps else [pk for pk in shown if pk not in ticked]
        relevant = list(dict.fromkeys([*kept, *data.get("ids", [])]))
        if len(relevant) > MOST_PICTURES:
            raise ValidationError(
                _("At most %(limit)d pictures for a query."), params={"limit": MOST_PICTURES}
            )
        data["relevant"] = relevant
        return data

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing was written into it: such a row is passed over."""
        return not self.cleaned_data.get("text") and not self.cleaned_data.get("relevant")

    def draft(self) -> DraftQuery:
        return DraftQuery(self.cleaned_data["text"], self.cleaned_data["relevant"])


QueryFormSet = forms.formset_factory(
    QueryForm, extra=BLANK_ROWS, can_delete=True, max_num=1000, absolute_max=1000
)


class QuerySetForm(forms.Form):
    """A query set without its queries."""

    name = forms.CharField(label=_("Name"), max_length=NAME_LENGTH)
    description = forms.CharField(
        label=_("Description"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    tolerance = forms.FloatField(
        label=_("Tolerance"),
        min_value=0.0,
        max_value=1.0,
        initial=TOLERANCE,
        help_text=_(
            "By how much a new model may find fewer of the pictures before the gate refuses "
            "it; 0.02 is two in a hundred."
        ),
        widget=forms.NumberInput(attrs={"step": "0.01"}),
    )

    def save(
        self, query_set: SavedQuerySet | None, queries: Sequence[DraftQuery], user: User
    ) -> SavedQuerySet | None:
        """Write the set and its queries; where that cannot be, the form says why."""
        data = self.cleaned_data
        try:
            return query_sets.save(
                query_set,
                name=data["name"],
                description=data["description"],
                tolerance=data["tolerance"],
                queries=queries,
                user=user,
            )
        except ContextVisionError as error:
            self.add_error(None, str(error))
            return None


class KeepSearchForm(QueryForm):
    """A search to be kept as a query, in a set that exists or a new one."""

    query_set = forms.ModelChoiceField(
        label=_("Query set"),
        queryset=SavedQuerySet.objects.all(),
        required=False,
        empty_label=_("A new one"),
    )
    new_name = forms.CharField(
        label=_("Name of the new one"), required=False, max_length=NAME_LENGTH
    )
    tick_keeps = True

    def save(self, user: User) -> SavedQuerySet | None:
        """Put the query behind those that the set has; where that cannot be, say why."""
        data = self.cleaned_data
        chosen: SavedQuerySet | None = data["query_set"]
        there = drafts_of(chosen.queries.prefetch_related("relevant")) if chosen else []
        try:
            return query_sets.save(
                chosen,
                name=chosen.name if chosen else data["new_name"],
                queries=[*there, self.draft()],
                user=user,
                description=chosen.description if chosen else "",
                tolerance=chosen.tolerance if chosen else TOLERANCE,
            )
        except ContextVisionError as error:
            self.add_error(None, str(error))
            return None


def drafts_of(queries: Iterable[SavedQuery]) -> list[DraftQuery]:
    """The queries of a set as they would be written again; pictures prefetched."""
    return [
        DraftQuery(query.text, [image.pk for image in query.relevant.all()]) for query in queries
    ]


def initial_of(queries: Iterable[SavedQuery]) -> list[dict[str, Any]]:
    """What :data:`QueryFormSet` shows of a set; pictures prefetched."""
    return [
        {"text": draft.text, "shown": spell_ids(draft.relevant)} for draft in drafts_of(queries)
    ]


def spell_ids(ids: Iterable[object]) -> str:
    """Write ids as :class:`IdsField` reads them."""
    return ",".join(map(str, ids))


def images_of(forms_shown: Iterable[QueryForm], user: User) -> dict[int, Image]:
    """The pictures that the forms show and that this person may see, by id."""
    ids = {pk for form in forms_shown for pk in form.shown_ids()}
    return Image.objects.visible_to(user).with_details().in_bulk(list(ids))
