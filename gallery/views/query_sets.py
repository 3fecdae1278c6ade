"""The queries that a team judges new models by."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_safe

from gallery.forms import KeepSearchForm, QueryFormSet, QuerySetForm
from gallery.forms.query_sets import QueryForm, images_of, initial_of, spell_ids
from gallery.models import Image, SavedQuerySet
from gallery.services import query_sets as service
from gallery.views.access import PersonRequest, permission_required, sent

MOST_FROM_A_SEARCH = 60
"""Results of a search that are shown to be ticked."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A picture with a box."""

    image: Image
    is_ticked: bool


@dataclass(frozen=True, slots=True)
class QueryRow:
    """One query in a form, with the pictures that it shows."""

    form: QueryForm
    images: Mapping[int, Image]
    is_new: bool = False

    @property
    def box_name(self) -> str:
        return self.form.add_prefix("ticked")

    @property
    def pictures(self) -> list[Tick]:
        ticked = self.form.ticked_ids()
        return [
            Tick(self.images[pk], pk in ticked) for pk in self.form.shown_ids() if pk in self.images
        ]


@require_safe
@permission_required("gallery.view_savedqueryset")
def query_set_list(request: PersonRequest) -> HttpResponse:
    sets = SavedQuerySet.objects.select_related("created_by").annotate(query_count=Count("queries"))
    return render(request, "gallery/query_sets.html", {"query_sets": sets})


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("gallery.add_savedqueryset")
def create(request: PersonRequest) -> HttpResponse:
    return _edit(request, None)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("gallery.change_savedqueryset")
def edit(request: PersonRequest, pk: int) -> HttpResponse:
    return _edit(request, get_object_or_404(SavedQuerySet, pk=pk))


def _edit(request: PersonRequest, query_set: SavedQuerySet | None) -> HttpResponse:
    data = sent(request)
    details: dict[str, Any] = {}
    queries: list[dict[str, Any]] = []
    if query_set is not None:
        details = {
            "name": query_set.name,
            "description": query_set.description,
            "tolerance": query_set.tolerance,
        }
        queries = initial_of(query_set.queries.prefetch_related("relevant"))
    form = QuerySetForm(data, initial=details)
    formset = QueryFormSet(data, initial=queries, prefix="queries")
    if data is not None and form.is_valid() and formset.is_valid():
        drafts = [
            row.draft() for row in formset if not row.is_empty and row not in formset.deleted_forms
        ]
        saved = form.save(query_set, drafts, request.user)
        if saved is not None:
            messages.success(request, gettext("“%(name)s” is saved.") % {"name": saved.name})
            return redirect("gallery:query-set", pk=saved.pk)
    images = images_of(formset, request.user)
    is_wrong = bool(form.errors or (data is not None and not formset.is_valid()))
    context = {
        "query_set": query_set,
        "form": form,
        "formset": formset,
        "rows": [QueryRow(row, images, is_new=row in formset.extra_forms) for row in formset],
    }
    return render(request, "gallery/query_set.html", context, status=422 if is_wrong else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("gallery.delete_savedqueryset")
def delete(request: PersonRequest, pk: int) -> HttpResponse:
    query_set = get_object_or_404(SavedQuerySet, pk=pk)
    if request.method != "POST":
        context = {"query_set": query_set, "query_count": query_set.queries.count()}
        return render(request, "gallery/query_set_delete.html", context)
    name = query_set.name
    service.delete(query_set)
    messages.success(request, gettext("“%(name)s” was deleted.") % {"name": name})
    return redirect("gallery:query-sets")


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("gallery.add_savedqueryset")
def keep_search(request: PersonRequest) -> HttpResponse:
    """Keep a search as a query: its words, and those of its results that are right."""
    if request.method == "POST":
        form = KeepSearchForm(request.POST)
        if form.is_valid() and (saved := form.save(request.user)):
            messages.success(request, gettext("Added to “%(name)s”.") % {"name": saved.name})
            return redirect("gallery:query-set", pk=saved.pk)
    else:
        results = spell_ids(request.GET.getlist("image")[:MOST_FROM_A_SEARCH])
        form = KeepSearchForm(initial={"text": request.GET.get("q", ""), "shown": results})
    context = {"form": form, "row": QueryRow(form, images_of([form], request.user))}
    return render(request, "gallery/keep_search.html", context, status=422 if form.errors else 200)
