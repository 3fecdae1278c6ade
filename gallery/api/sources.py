"""Following sources, for programs."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from gallery.access import EVERY_IMAGE
from gallery.api.answers import QUEUED, Read, job_answer, person
from gallery.api.filters import SyncedFileFilterSet
from gallery.api.permissions import Needs, Permitted
from gallery.api.source_serializers import (
    HiddenSerializer,
    NewSourceSerializer,
    SourceChangesSerializer,
    SourceSerializer,
    SyncedFileSerializer,
    VanishedPictureSerializer,
)
from gallery.api.strict import StrictView
from gallery.models import SyncedFile, SyncSource, VanishedPicture
from gallery.services import syncing


@extend_schema_view(
    list=extend_schema(summary="List the sources that are followed"),
    retrieve=extend_schema(summary="Read one source, with the last look into it"),
    destroy=extend_schema(summary="Follow a source no more; its pictures stay"),
)
class SourceViewSet(mixins.DestroyModelMixin, Read):
    queryset = SyncSource.objects.select_related(
        "collection", "owner", "last_job__created_by"
    ).prefetch_related("tags")
    serializer_class = SourceSerializer
    permission_classes = [Permitted]
    needs: ClassVar[Needs] = {
        "list": ("gallery.view_syncsource", EVERY_IMAGE),
        "retrieve": ("gallery.view_syncsource", EVERY_IMAGE),
        "create": ("gallery.add_syncsource",),
        "partial_update": ("gallery.change_syncsource",),
        "look": ("gallery.change_syncsource",),
        "hide": ("gallery.change_syncsource",),
        "destroy": ("gallery.delete_syncsource",),
    }
    without_body = ("look", "hide")

    @extend_schema(
        summary="Follow a source", request=NewSourceSerializer, responses={201: SourceSerializer}
    )
    def create(self, request: Request) -> Response:
        """Its pictures belong to this account. The first look into it is queued at once."""
        wanted = NewSourceSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        owner = person(request)
        source = syncing.save_source(SyncSource(owner=owner), wanted.validated_data)
        syncing.request_look(source, user=owner)
        answer = self.get_serializer(self.get_queryset().get(pk=source.pk)).data
        return Response(answer, status=201, headers={"Location": answer["url"]})

    @extend_schema(
        summary="Change how a source is followed",
        request=SourceChangesSerializer,
        responses=SourceSerializer,
    )
    def partial_update(self, request: Request, pk: int) -> Response:
        source = self.get_object()
        changes = SourceChangesSerializer(source, data=request.data, partial=True)
        changes.is_valid(raise_exception=True)
        syncing.save_source(source, changes.validated_data)
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(
        operation_id="sources_look", summary="Look into a source", request=None, responses=QUEUED
    )
    @action(detail=True, methods=["post"])
    def look(self, request: Request, pk: int) -> Response:
        return job_answer(self, syncing.request_look(self.get_object(), user=person(request)))

    @extend_schema(
        operation_id="sources_hide",
        summary="Make private what vanished from a source",
        request=None,
        responses=HiddenSerializer,
    )
    @action(detail=True, methods=["post"])
    def hide(self, request: Request, pk: int) -> Response:
        """Only what it brought and no other source holds; shown again when its file is back."""
        return Response({"hidden": syncing.hide_vanished(self.get_object())})


class _OfASource(StrictView, mixins.ListModelMixin, viewsets.GenericViewSet[Any]):
    permission_classes = [Permitted]
    needs: ClassVar[Needs] = {"list": ("gallery.view_syncsource", EVERY_IMAGE)}
    filter_backends = [DjangoFilterBackend]

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):
            return super().get_queryset()
        source = get_object_or_404(SyncSource, pk=self.kwargs["source_pk"])
        return super().get_queryset().filter(source=source)


_OF_WHICH = OpenApiParameter("source_pk", int, OpenApiParameter.PATH, description="Source.")


@extend_schema(parameters=[_OF_WHICH])
@extend_schema_view(list=extend_schema(summary="List what became of each file of a source"))
class SyncedFileViewSet(_OfASource):
    queryset = SyncedFile.objects.all()
    serializer_class = SyncedFileSerializer
    filterset_class = SyncedFileFilterSet


@extend_schema(parameters=[_OF_WHICH])
@extend_schema_view(list=extend_schema(summary="List the pictures that are in a source no more"))
class VanishedPictureViewSet(_OfASource):
    queryset = VanishedPicture.objects.all()
    serializer_class = VanishedPictureSerializer
    filterset_class = None
