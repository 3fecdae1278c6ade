"""Queries that a team keeps, with the pictures that should come back."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext

from gallery.models import Image, SavedQuery, SavedQuerySet
from mlcore.errors import ContextVisionError
from mlcore.query import normalise_text


class QuerySetError(ContextVisionError):
    """A set of queries cannot be kept like this."""


@dataclass(frozen=True, slots=True)
class DraftQuery:
    """A query as a person wrote it, with the ids of the pictures that should come back."""

    text: str
    relevant: Sequence[int]


def save(
    query_set: SavedQuerySet | None,
    *,
    name: str,
    description: str = "",
    tolerance: float = 0.02,
    queries: Sequence[DraftQuery],
    user: User | None,
) -> SavedQuerySet:
    """Keep a new set, or replace all of one that is there.

    Raises:
        QuerySetError: without a name or a query, with a name that is taken, with a query without
            words or pictures, with pictures that do not exist, or with an impossible tolerance.
    """
    name = name.strip()
    _demand(bool(name), gettext("A set of queries needs a name."))
    _demand(0.0 <= tolerance <= 1.0, gettext("The tolerance is a share from 0 to 1."))
    _demand(bool(queries), gettext("A set of queries needs at least one query."))
    taken = SavedQuerySet.objects.filter(name=name)
    if query_set is not None:
        taken = taken.exclude(pk=query_set.pk)
    _demand(
        not taken.exists(),
        gettext("There is a set of queries called “%(name)s” already.") % {"name": name},
    )
    drafts = [_checked(number, draft) for number, draft in enumerate(queries, 1)]
    with transaction.atomic():
        query_set = query_set or SavedQuerySet(created_by=user)
        query_set.name, query_set.description = name, description.strip()
        query_set.tolerance = tolerance
        query_set.save()
        query_set.queries.all().delete()
        for order, draft in enumerate(drafts):
            query = SavedQuery.objects.create(query_set=query_set, text=draft.text, order=order)
            query.relevant.set(draft.relevant)
    return query_set


def delete(query_set: SavedQuerySet) -> None:
    """Forget a set of queries; models are not asked them any more."""
    query_set.delete()


def _checked(number: int, draft: DraftQuery) -> DraftQuery:
    text, named = normalise_text(draft.text), {"number": number}
    _demand(bool(text), gettext("Query %(number)d has no words.") % named)
    _demand(len(text) <= 1000, gettext("Query %(number)d is longer than 1,000 characters.") % named)
    wanted = list(dict.fromkeys(draft.relevant))
    _demand(
        bool(wanted), gettext("Query %(number)d names no picture that should come back.") % named
    )
    known = set(Image.objects.filter(pk__in=wanted).values_list("pk", flat=True))
    missing = ", ".join(str(pk) for pk in wanted if pk not in known)
    _demand(
        not missing,
        gettext("Query %(number)d names pictures that do not exist: %(missing)s.")
        % {**named, "missing": missing},
    )
    return DraftQuery(text, wanted)


def _demand(condition: bool, words: str) -> None:
    if not condition:
        raise QuerySetError(words)
