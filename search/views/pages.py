"""The search page, the pictures that are searched with, and the strip of similar pictures."""

from dataclasses import replace
from typing import Any, cast

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers

from gallery.access import Person
from gallery.examples import ExampleGoneError, read_example
from gallery.models import IndexVersion
from gallery.selectors import example_queries, newest_images
from gallery.throttling import ExampleThrottle, throttled
from gallery.views.access import PageRequest, wants_fragment
from gallery.views.sources import Sources, sources
from mlcore.errors import ContextVisionError
from search.facets import CollectionCard, largest_collections
from search.forms import SearchForm
from search.query import GalleryPicture, QueryImage, SearchQuery
from search.services import keep_picture, search_images
from search.views.answers import Answer, newest_pictures, results
from search.views.panel import Panel, make_panel, url_builder
from search.views.problems import Problem, describe, describe_invalid
from search.views.tiles import Tile

STRIP_LENGTH = 12
SAVED_SHOWN = 12
"""Saved searches on the first page; all of them have a page of their own."""


@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
@throttled("429.html")  # they cost as much as searches of the API
@throttled("429.html", by=ExampleThrottle, methods={"POST"})
def home(request: HttpRequest) -> HttpResponse:
    """Search, or show the newest pictures where nothing is asked.

    The address holds the whole query. What comes by POST, as an example picture must, is sent on to
    its address.
    """
    if request.method == "POST":
        return _sent_on(request)
    form = SearchForm(request.GET)
    if not form.is_valid():
        return _respond(request, None, describe_invalid(form))
    query = form.query()
    return _respond(request, query, _outcome(query, request))


@require_safe
def example(request: HttpRequest, key: str) -> HttpResponse:
    """Show an example picture to whoever knows its key."""
    try:
        content = read_example(key)
    except ExampleGoneError as error:
        raise Http404(str(error)) from error
    response = HttpResponse(content, content_type="image/png")
    response["Cache-Control"] = "private, max-age=3600"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


@require_safe
@vary_on_headers("HX-Request")
@throttled("429.html")  # they cost as much as searches of the API
def similar(request: HttpRequest, pk: int) -> HttpResponse:
    """Show pictures like this one, as a part of its page."""
    query = SearchQuery.of(GalleryPicture(pk))
    if not wants_fragment(request):
        return redirect(query.build_url())
    try:
        page = search_images(replace(query, limit=STRIP_LENGTH), user=request.user)
    except ContextVisionError as error:
        problem = describe(error, request.user)
        return render(request, "search/_problem.html", {"problem": problem}, status=problem.status)
    tiles = [Tile(result.image, result.relevance) for result in page.results]
    return render(request, "search/_strip.html", {"tiles": tiles})


def _sent_on(request: HttpRequest) -> HttpResponse:
    form = SearchForm(request.POST, request.FILES)
    if not form.is_valid():
        return _respond(request, None, describe_invalid(form))
    query = replace(form.query(), offset=0)
    try:
        kept = tuple(
            replace(part, subject=keep_picture(part.subject))
            if isinstance(part.subject, QueryImage)
            else part
            for part in query.parts
        )
    except ContextVisionError as error:
        rest = [part for part in query.parts if not isinstance(part.subject, QueryImage)]
        return _respond(request, query.with_parts(*rest), describe(error, request.user))
    return redirect(url_builder(request.POST)(query.with_parts(*kept)))


def _outcome(query: SearchQuery, request: HttpRequest) -> Answer | Problem:
    build_url = url_builder(request.GET)
    if not query.parts and not query.where.is_asked_in_words:
        images = query.where.apply(newest_images(request.user), request.user)
        found = images[query.offset : query.offset + query.limit + 1]
        return newest_pictures(query, list(found), build_url)
    try:
        page = search_images(query, user=request.user)
    except ContextVisionError as error:
        return describe(error, request.user)
    return results(query, page, build_url)


def _respond(
    request: HttpRequest, query: SearchQuery | None, outcome: Answer | Problem
) -> HttpResponse:
    if isinstance(outcome, Answer) and _wants_more(request):
        return render(request, "search/_more.html", {"answer": outcome})
    params = request.POST if request.method == "POST" else request.GET
    panel = Panel(text=params.get("q", ""))
    if query is not None:
        panel = make_panel(query, params, request.user)
    context: dict[str, Any] = {"panel": panel}
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
        response = render(request, "search/home.html", context, status=status)
    if request.method == "POST":
        response["HX-Push-Url"] = "false"  # it has no address
    if retry_after:
        response["Retry-After"] = str(retry_after)
    return response


def _wants_more(request: HttpRequest) -> bool:
    """Tell whether the pictures are put behind those that are there."""
    return cast(PageRequest, request).htmx.target == "pictures"


def _landing(request: HttpRequest, answer: Answer) -> dict[str, Any]:
    """What the page invites with before anything is asked."""
    is_start = not answer.query.where and answer.paging.first == 1
    return {
        "saved": request.user.saved_searches.all()[:SAVED_SHOWN]
        if is_start and request.user.is_authenticated
        else [],
        "examples": example_queries(request.user) if is_start else [],
        "collections": _collections(request.user) if is_start else [],
        "is_demo": settings.CONTEXTVISION_DEMO and answer.paging.first == 1,
        "is_indexed": IndexVersion.objects.filter(is_active=True).exists(),
    }


def _collections(user: Person) -> list[tuple[CollectionCard, Sources]]:
    return [(card, sources(card.cover)) for card in largest_collections(user)]
