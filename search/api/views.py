"""The search for programs."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.datastructures import MultiValueDict
from django.utils.http import urlencode
from django.utils.translation import gettext, gettext_noop
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from gallery.api.parsers import BoundedJSONParser, BoundedMultiPartParser
from gallery.api.permissions import Open
from gallery.api.problems import ProblemKind, TooLargeError
from gallery.api.strict import Address, StrictView
from gallery.examples import ExampleGoneError
from gallery.rendering.addresses import picture_address
from gallery.uploads.ingest import query_limits
from mlcore.errors import ContextVisionError
from mlcore.i18n import Message, figure
from search.api.serializers import (
    PagingSerializer,
    SearchAnswerSerializer,
    SearchJSONSerializer,
    SearchParametersSerializer,
    SearchUploadSerializer,
)
from search.engine import BusyError, ModelLoadingError, NoActiveIndexError
from search.forms import SearchForm
from search.offers import offers
from search.parameters import MAX_OFFSET
from search.query import QueryImage, SearchQuery
from search.services import SearchPage, SearchResult, UnknownImageError, search_images

FORM_OVERHEAD = 64 * 1024
"""Bytes that a request may hold beside its picture."""

EVIDENCE_DIGITS = 2

EXAMPLE_ANSWER = {
    "results": [
        {
            "relevance": 0.934,
            "is_strong": True,
            "similarity": 0.31,
            "evidence": [
                {
                    "kind": "caption",
                    "log_odds": 7.9,
                    "caption": 85,
                    "fields": [],
                    "terms": [],
                }
            ],
            "image": {
                "id": 17,
                "url": "http://127.0.0.1:8000/api/v1/images/17/",
                "thumbnail": "http://127.0.0.1:8000/images/17/thumbnail.webp",
                "title": "dogs-at-the-sea",
                "captions": ["Two dogs run along a beach."],
            },
        }
    ],
    "model": {"name": "starter", "fingerprint": "5f0c9a…"},
    "index": 3,
    "timing_ms": {"encode": 4.1, "lookup": 5.9, "records": 2.2, "total": 12.2},
    "searched": 7000,
    "strong": 12,
    "next": "http://127.0.0.1:8000/api/v1/search/?limit=1&offset=1&q=two+dogs",
    "notices": [],
}
_ANSWER = OpenApiExample("Two dogs", EXAMPLE_ANSWER, response_only=True)


UNKNOWN_PICTURE = ProblemKind(404, "unknown-picture", gettext_noop("Unknown picture"))


class SearchView(StrictView, APIView):
    """Anybody may search; what is found is what this account may see."""

    permission_classes = [Open]
    parser_classes = [BoundedJSONParser, BoundedMultiPartParser]
    problem_kinds: ClassVar[Mapping[type[ContextVisionError], ProblemKind]] = {
        UnknownImageError: UNKNOWN_PICTURE,
        ExampleGoneError: UNKNOWN_PICTURE,
        NoActiveIndexError: ProblemKind(
            503, "no-active-index", gettext_noop("Nothing indexed yet")
        ),
        ModelLoadingError: ProblemKind(
            503, "model-loading", gettext_noop("The model is being loaded")
        ),
        BusyError: ProblemKind(503, "busy", gettext_noop("Too many searches at once")),
    }
    extra_problems: ClassVar[Mapping[str, set[str]]] = {"get": {"404"}, "post": {"404", "422"}}
    address: ClassVar[Address] = {"get": SearchParametersSerializer, "post": PagingSerializer}

    @property
    def max_body_bytes(self) -> int:
        # Four characters of base64 carry three bytes.
        return query_limits().max_bytes * 4 // 3 + FORM_OVERHEAD

    @extend_schema(
        operation_id="search",
        summary="Find pictures by what they show",
        parameters=[SearchParametersSerializer],
        responses=SearchAnswerSerializer,
        examples=[_ANSWER],
    )
    def get(self, request: Request) -> Response:
        asked = SearchParametersSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        return self._answer(request, asked.validated_data)

    @extend_schema(
        operation_id="search_with_picture",
        summary="Find pictures by an example picture, by words, or by both",
        parameters=[PagingSerializer],
        request={
            "application/json": SearchJSONSerializer,
            "multipart/form-data": SearchUploadSerializer,
        },
        responses=SearchAnswerSerializer,
        examples=[
            OpenApiExample("Words", {"q": "two dogs", "limit": 5}, request_only=True),
            OpenApiExample(
                "Like a picture, but at night",
                {"q": "at night", "like": 17, "weight": 0.6},
                request_only=True,
            ),
            _ANSWER,
        ],
    )
    def post(self, request: Request) -> Response:
        """A ``limit`` and an ``offset`` in the address stand above those in the body."""
        is_form = (request.content_type or "").startswith("multipart/")
        serializer = SearchUploadSerializer if is_form else SearchJSONSerializer
        asked = serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        paging = PagingSerializer(data=request.query_params)
        paging.is_valid(raise_exception=True)
        return self._answer(request, {**asked.validated_data, **paging.validated_data})

    def _answer(self, request: Request, fields: Mapping[str, Any]) -> Response:
        query = _read(fields)
        page = search_images(query, user=request.user)
        version = page.engine.version
        model = version.model_version
        site = request.build_absolute_uri("/").removesuffix("/")
        # What SearchAnswerSerializer describes, without its detour through 200 fields.
        answer = {
            "results": [_shown(result, site) for result in page.results],
            "model": {"name": model.name, "fingerprint": model.fingerprint},
            "index": version.pk,
            "timing_ms": page.timing_ms,
            "next": _next_link(request, query, page),
            "searched": page.searched,
            "strong": page.strong,
            "notices": [_told(each) for each in page.notices],
            "offers": _offers(query, request),
        }
        return Response(answer)


def _read(fields: Mapping[str, Any]) -> SearchQuery:
    """Let the form judge, which the page and the command share."""
    image = fields.get("image")
    limit = query_limits().max_bytes
    if image is not None and image.size > limit:
        sentence = gettext("The picture holds %(size)s bytes; the limit is %(limit)s.")
        values = {"size": figure(image.size, ","), "limit": figure(limit, ",")}
        raise TooLargeError(sentence % values)
    form = SearchForm(data=fields, files=MultiValueDict({"image": [image]} if image else {}))
    if not form.is_valid():
        raise ValidationError(
            {name: [str(message) for message in errors] for name, errors in form.errors.items()}
        )
    return form.query()


def _shown(result: SearchResult, site: str) -> dict[str, Any]:
    image = result.image
    summary = {
        "id": image.pk,
        "url": site + picture_address("api:image-detail", image.pk),
        "thumbnail": site + image.thumbnail_url,
        "title": image.title,
        "captions": image.sentences,
    }
    return {
        "relevance": result.relevance,
        "is_strong": result.is_strong,
        "similarity": result.similarity,
        "evidence": [
            {
                "kind": each.kind,
                "log_odds": round(each.log_odds, EVIDENCE_DIGITS),
                "caption": each.caption_id,
                "fields": each.fields,
                "terms": each.terms,
            }
            for each in result.evidence
        ],
        "image": summary,
    }


def _told(message: Message) -> dict[str, str]:
    return {"code": message.code, "text": str(message)}


def _offers(query: SearchQuery, request: Request) -> list[dict[str, str]]:
    """Other ways to ask; no address holds a picture that was sent."""
    if any(isinstance(part.subject, QueryImage) for part in query.parts):
        return []
    here = request.build_absolute_uri(request.path)
    return [
        {**_told(each.message), "url": f"{here}?{urlencode(each.query.parameters())}"}
        for each in offers(query)
    ]


def _next_link(request: Request, query: SearchQuery, page: SearchPage) -> str | None:
    offset = query.offset + query.limit
    if not page.has_next or offset > MAX_OFFSET:
        return None
    here = replace_query_param(request.build_absolute_uri(), "limit", query.limit)
    return str(replace_query_param(here, "offset", offset))
