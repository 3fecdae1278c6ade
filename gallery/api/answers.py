"""What the views of the API share."""

from collections.abc import Mapping
from typing import Any, TypeAlias, cast

from django.contrib.auth.models import User
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiResponse
from rest_framework import mixins, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from gallery.api.problems import ProblemKind
from gallery.api.serializers import JobSerializer
from gallery.api.strict import StrictView
from gallery.models import Job
from mlcore.errors import ContextVisionError

Problems: TypeAlias = Mapping[type[ContextVisionError], ProblemKind]
Extra: TypeAlias = Mapping[str, set[str]]


def person(request: Request) -> User:
    """Tell who asks, where the permission has made sure that it is somebody."""
    return cast(User, request.user)


class Read(
    StrictView, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Any]
):
    """Lists and single records."""

    filterset_class: Any = None
    filter_backends = [DjangoFilterBackend]
    lookup_value_converter = "int"


def job_answer(view: viewsets.GenericViewSet[Any], job: Job) -> Response:
    """Answer that the work is queued, and where it can be watched."""
    data = JobSerializer(job, context=view.get_serializer_context()).data
    return Response(data, status=202, headers={"Location": data["url"]})


QUEUED = {202: OpenApiResponse(JobSerializer, "Queued; an unfinished one of its kind serves too.")}
QUEUED_IMPORT = {202: OpenApiResponse(JobSerializer, "Queued.")}
QUEUED_AGAIN = {202: OpenApiResponse(JobSerializer, "Queued as a new job.")}
