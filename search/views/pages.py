"""The search page and the strip of similar pictures."""

from dataclasses import replace
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers

from gallery.management import demo_photos
from gallery.models import Image, IndexVersion
from gallery.models.image import Split
from gallery.selectors import Person, example_queries, facets, newest_images
from gallery.uploads import query_limits
from gallery.views.access import wants_fragment
from mlcore.errors import ContextVisionError
from mlcore.images import ACCEPTED
from search.forms import MAX_PAGE_SIZE, SearchForm
from search.services import SearchQuery, search_images
from search.views.answers import Answer, Tile, address, newest_pictures, results
from search.views.problems import Problem, describe, describe_invalid, nothing_chosen
from search.views.throttling import throttled

STRIP_LENGTH = 12


class Tab(StrEnum):
    TEXT = "text"
    IMAGE = "image"
    BOTH = "both"


@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
@throttled
def home(request: HttpRequest) -> HttpResponse:
    """Search, or show the newest pictures where nothing is asked.

    Words come by GET, so that the address holds the query; an example picture comes by POST.
    """
    params = request.POST if request.method == "POST" else request.GET
    form = SearchForm(params, request.FILES)
    if request.method == "POST" and form.is_valid() and not form.cleaned_data["image"]:
        if form.cleaned_data["q"]:
            return redirect(address(_without_token(request.POST)))
        outcome: Answer | Problem = nothing_chosen()
    else:
        outcome = _outcome(form, request)
    return _respond(request, form, outcome)


@require_safe
@vary_on_headers("HX-Request")
@throttled
def similar(request: HttpRequest, pk: int) -> HttpResponse:
    """Show pictures like this one, as a part of its page."""
    if not wants_fragment(request):
        return redirect(address(QueryDict(), like=pk))
    try:
        page = search_images(SearchQuery(like=(pk,), limit=STRIP_LENGTH), user=request.user)
    except ContextVisionError as error:
        problem = describe(error, request.user)
        return render(request, "search/_problem.html", {"problem": problem}, status=problem.status)
    tiles = [Tile(result.image, result.score) for result in page.results]
    return render(request, "search/_strip.html", {"tiles": tiles})


def _outcome(form: SearchForm, request: HttpRequest) -> Answer | Problem:
    if not form.is_valid():
        return describe_invalid(form)
    query = form.query()
    if not (query or query.without or query.unlike):
        images = newest_images(request.user, query.where)
        found = images[query.offset : query.offset + query.limit + 1]
        return newest_pictures(request.GET, query, list(found))
    if query.image and not wants_fragment(request):
        # A browser without JavaScript cannot send the picture again for a second page.
        query = replace(query, limit=MAX_PAGE_SIZE)
    try:
        page = search_images(query, user=request.user)
    except ContextVisionError as error:
        return describe(error, request.user)
    return results(request.GET, query, page)


def _respond(request: HttpRequest, form: SearchForm, outcome: Answer | Problem) -> HttpResponse:
    context: dict[str, Any] = {"form": form}
    status, retry_after = 200, 0
    if isinstance(outcome, Problem):
        context["problem"] = outcome
        status, retry_after = outcome.status, outcome.retry_after
    else:
        context["answer"] = outcome
        if outcome.page is None:
            context |= _landing(request, outcome)
    if wants_fragment(request):
        response = render(request, "search/_results.html", context, status=status)
    else:
        response = render(request, "search/home.html", context | _panel(request), status=status)
    if retry_after:
        response["Retry-After"] = str(retry_after)
    return response


def _landing(request: HttpRequest, answer: Answer) -> dict[str, Any]:
    """What the page invites with before anything is asked."""
    return {
        "examples": [] if answer.parts else example_queries(request.user),
        "is_demo": answer.paging.first == 1 and has_demo_photos(request.user),
        "is_indexed": IndexVersion.objects.filter(is_active=True).exists(),
    }


def has_demo_photos(user: Person) -> bool:
    return Image.objects.visible_to(user).filter(collection__name=demo_photos.COLLECTION).exists()


def _panel(request: HttpRequest) -> dict[str, Any]:
    """What the search form needs beside its values."""
    asked = (request.POST if request.method == "POST" else request.GET).get("by", "")
    tab = next((tab for tab in Tab if tab == asked), Tab.TEXT)
    kept = _without_token(request.POST) if request.method == "POST" else request.GET
    return {
        "tab": tab,
        "tabs": [
            (Tab.TEXT, "Text", address(kept, by=None, offset=None)),
            (Tab.IMAGE, "Image", address(kept, by=Tab.IMAGE, q=None, offset=None)),
            (Tab.BOTH, "Both", address(kept, by=Tab.BOTH, offset=None)),
        ],
        "facets": facets(request.user),
        "splits": [choice for choice in Split.choices if choice[0]],
        "accepted": ACCEPTED,
        "max_query_megabytes": query_limits().max_bytes // settings.MEGABYTE,
    }


def _without_token(params: QueryDict) -> QueryDict:
    """Keep what belongs into an address."""
    kept = params.copy()
    for name in ("csrfmiddlewaretoken", "by", "offset"):
        kept.pop(name, None)
    return kept
