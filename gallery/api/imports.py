"""Imports for programs: of what lies on the server, and of archives that were uploaded."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from gallery.api.answers import QUEUED_IMPORT, job_answer, person
from gallery.api.permissions import Needs, Permitted
from gallery.api.strict import StrictView
from gallery.api.upload_serializers import DestinationSerializer
from gallery.services.imports import (
    ImportSource,
    NoSuchSourceError,
    find_source,
    import_sources,
    start_import,
)
from gallery.uploads.import_options import IMPORT_OPTIONS, given
from mlcore.layouts.options import COLUMN_LENGTH, SourceOption


class ImportSourceSerializer(serializers.Serializer[Any]):
    """What can be imported."""

    source = serializers.CharField(  # type: ignore[assignment]  # a field, not where it is read
        source="key", help_text="To be sent back."
    )
    name = serializers.CharField(help_text="For people.")
    uploaded = serializers.SerializerMethodField(help_text="Whether you uploaded it.")

    def get_uploaded(self, source: ImportSource) -> bool:
        return source.upload is not None


class ImportRequestSerializer(DestinationSerializer):
    """What to import, and how."""

    source = serializers.CharField(  # type: ignore[assignment]  # a field, not where it is read
        max_length=1000,
        help_text="A name in the folder of imports, folders below it too (`sets/coco.zip`), or the "
        "id of an archive that was uploaded.",
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        options = {name: _option_field(option) for name, option in IMPORT_OPTIONS.items()}
        return super().get_fields() | options


def _option_field(option: SourceOption) -> serializers.Field[Any, Any, Any, Any]:
    if option.is_flag:
        return serializers.BooleanField(default=False, help_text=option.help)
    if option.choices:
        return serializers.ChoiceField(
            choices=list(option.choices), required=False, allow_blank=True, help_text=option.help
        )
    return serializers.CharField(
        required=False, allow_blank=True, max_length=COLUMN_LENGTH, help_text=option.help
    )


class ImportViewSet(StrictView, viewsets.GenericViewSet[Any]):
    serializer_class = ImportSourceSerializer
    permission_classes = [Permitted]
    needs: ClassVar[Needs] = {"list": ("gallery.add_image",), "create": ("gallery.add_image",)}
    pagination_class = None

    @extend_schema(
        summary="List what can be imported",
        operation_id="imports_list",
        responses=ImportSourceSerializer(many=True),
    )
    def list(self, request: Request) -> Response:
        """What lies at the top of the server's folder of imports, and the archives that you
        uploaded in the last days."""
        sources = import_sources(person(request))
        return Response(ImportSourceSerializer(sources, many=True).data)

    @extend_schema(
        summary="Import pictures, or look first at what would be read",
        request=ImportRequestSerializer,
        responses=QUEUED_IMPORT,
        examples=[
            OpenApiExample(
                "Look first", {"source": "flickr30k", "dry_run": True}, request_only=True
            ),
            OpenApiExample(
                "A table with other columns",
                {"source": "cats.zip", "layout": "table", "caption_column": "prompt"},
                request_only=True,
            ),
        ],
    )
    def create(self, request: Request) -> Response:
        """A job, whose `result` is the account of what came in, or would come."""
        wanted = ImportRequestSerializer(data=request.data, context=self.get_serializer_context())
        wanted.is_valid(raise_exception=True)
        user = person(request)
        try:
            source = find_source(wanted.validated_data["source"], user)
        except NoSuchSourceError as error:
            raise serializers.ValidationError({"source": [str(error)]}) from error
        job = start_import(
            source,
            wanted.destination(user),
            given(wanted.validated_data),
            captions=wanted.validated_data.get("captions", ()),
        )
        return job_answer(self, job)
