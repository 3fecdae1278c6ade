"""Queries that a team keeps, with the pictures that should come back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from gallery import audit
from gallery.models import Image, SavedQuery, SavedQuerySet
from mlcore.errors import ContextVisionError
from mlcore.query import normalise_text

LONGEST = 1000
"""Characters of a query."""


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
    _demand(bool(name), "query_set.no_name")
    _demand(0.0 <= tolerance <= 1.0, "query_set.tolerance")
    _demand(bool(queries), "query_set.no_queries")
    taken = SavedQuerySet.objects.filter(name=name)
    if query_set is not None:
        taken = taken.exclude(pk=query_set.pk)
    _demand(not taken.exists(), "query_set.name_taken", name=name)
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
    with transaction.atomic():
        audit.record("query_set_deleted", kind="query set", pk=query_set.pk, name=query_set.name)
        query_set.delete()


def _checked(number: int, draft: DraftQuery) -> DraftQuery:
    text = normalise_text(draft.text)
    _demand(bool(text), "query_set.no_words", number=number)
    _demand(len(text) <= LONGEST, "query_set.too_long", number=number, limit=LONGEST)
    wanted = list(dict.fromkeys(draft.relevant))
    _demand(bool(wanted), "query_set.no_pictures", number=number)
    known = set(Image.objects.filter(pk__in=wanted).values_list("pk", flat=True))
    missing = [str(pk) for pk in wanted if pk not in known]
    _demand(not missing, "query_set.unknown_pictures", number=number, missing=missing)
    return DraftQuery(text, wanted)


def _demand(condition: bool, code: str, **params: Any) -> None:
    if not condition:
        raise QuerySetError(code, **params)
