"""The gallery for programs: validate, one service call, data out."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_noop
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
)
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from gallery.access import EVERY_IMAGE, require
from gallery.api.answers import (
    QUEUED,
    QUEUED_AGAIN,
    Extra,
    Problems,
    Read,
    job_answer,
    person,
)
from gallery.api.filters import FailureFilterSet, ImageFilterSet, JobFilterSet
from gallery.api.learning_serializers import JobMetricSerializer
from gallery.api.pagination import OldestFirst, PicturePages
from gallery.api.parsers import BoundedMultiPartParser
from gallery.api.permissions import Needs, Permitted
from gallery.api.problems import PICTURE_REJECTED, PICTURE_TOO_LARGE, ProblemError, ProblemKind
from gallery.api.serializers import (
    CaptionSerializer,
    FailureSerializer,
    ImageChangesSerializer,
    ImageSerializer,
    IndexVersionSerializer,
    JobRequestSerializer,
    JobSerializer,
)
from gallery.api.strict import StrictView
from gallery.api.upload_serializers import UploadResultSerializer, UploadSerializer
from gallery.jobs.kinds import KINDS
from gallery.models import Caption, Failure, Image, IndexVersion, Job
from gallery.services import images, jobs, versions
from gallery.services.jobs import JobError
from gallery.services.versions import RollbackError
from gallery.uploads.ingest import upload_limits
from gallery.uploads.items import IngestResult
from mlcore.errors import IndexFileError, IndexMismatchError

JOB_STATE = ProblemKind(409, "job-state", gettext_noop("Not in this state"))
INDEX_CANNOT_SERVE = ProblemKind(409, "index-unusable", gettext_noop("Index unusable"))
NOTHING_TO_ROLL_BACK_TO = ProblemKind(409, "nothing-before", gettext_noop("Nothing to go back to"))


@extend_schema_view(
    list=extend_schema(summary="List the pictures that this account may see"),
    retrieve=extend_schema(summary="Read one picture"),
    destroy=extend_schema(summary="Delete a picture, its captions, vectors and files"),
)
class ImageViewSet(mixins.DestroyModelMixin, Read):
    queryset = Image.objects.none()
    serializer_class = ImageSerializer
    permission_classes = [Permitted]
    needs: ClassVar[Needs] = {
        "create": ("gallery.add_image",),
        "partial_update": (),
        "destroy": (),
    }
    pagination_class = PicturePages
    filterset_class = ImageFilterSet
    extra_problems: ClassVar[Extra] = {"create": {"422"}}

    def get_queryset(self) -> QuerySet[Image]:
        visible = Image.objects.visible_to(self.request.user)
        details = visible.with_details().select_related("owner")
        is_known = self.request.user.is_authenticated  # the public is told of no groups
        return details.prefetch_related("groups") if is_known else details

    def get_parsers(self) -> Any:
        # The schema asks without a request; it names the content type with the operation.
        is_upload = self.request is not None and self.request.method == "POST"
        return [BoundedMultiPartParser()] if is_upload else super().get_parsers()

    max_body_bytes: ClassVar[int | None] = None  # files have their own limit, each

    @extend_schema(
        summary="Upload one or more pictures",
        request={"multipart/form-data": UploadSerializer},
        responses={
            201: OpenApiResponse(UploadResultSerializer, "At least one picture is new."),
            200: OpenApiResponse(UploadResultSerializer, "All of them were there already."),
        },
    )
    def create(self, request: Request) -> Response:
        """Take in files; what became of each is told in the order they were sent.

        A file that is not accepted does not hold up the others. Where none is accepted the answer
        is a problem (413 or 422) that names each file. The same bytes are stored once: sent again,
        they answer with the picture that is there.
        """
        upload = UploadSerializer(data=request.data, context=self.get_serializer_context())
        upload.is_valid(raise_exception=True)
        data = upload.validated_data
        files = data["file"]
        destination = upload.destination(person(request))
        results, job = images.add_uploads(files, destination, captions=data.get("captions", ()))
        if all(result.image is None for result in results):
            raise _all_rejected(results, files)
        upload_result = {"results": results, "job": job}
        answer = UploadResultSerializer(upload_result, context=self.get_serializer_context()).data
        is_new = any(result.created for result in results)
        first = answer["results"][0]["image"]
        headers = {"Location": first["url"]} if first and len(files) == 1 else None
        return Response(answer, status=201 if is_new else 200, headers=headers)

    @extend_schema(
        summary="Change a picture's record",
        request=ImageChangesSerializer,
        responses=ImageSerializer,
        examples=[
            OpenApiExample(
                "Tags and captions",
                {"tags": ["dog", "beach"], "captions": ["Two dogs run along a beach."]},
                request_only=True,
            )
        ],
    )
    def partial_update(self, request: Request, pk: int) -> Response:
        image = self.get_object()
        require_editable(person(request), image)
        changes = ImageChangesSerializer(data=request.data, context=self.get_serializer_context())
        changes.is_valid(raise_exception=True)
        images.update_image(image, changes.validated_data)
        return Response(self.get_serializer(self.get_object()).data)

    def perform_destroy(self, instance: Image) -> None:
        if not Image.objects.deletable_by(self.request.user).filter(pk=instance.pk).exists():
            require(person(self.request), "gallery.delete_image")
        images.delete_images([instance])


def require_editable(user: User, image: Image) -> None:
    """Let nobody change a picture who may only see it.

    Raises:
        PermissionDenied: it is somebody else's.
    """
    if not Image.objects.editable_by(user).filter(pk=image.pk).exists():
        require(user, "gallery.change_image")


def _all_rejected(results: Sequence[IngestResult], files: Sequence[Any]) -> ProblemError:
    limit = upload_limits().max_bytes
    kind = PICTURE_TOO_LARGE if any(file.size > limit for file in files) else PICTURE_REJECTED
    errors: dict[str, list[str]] = {}
    for result in results:
        errors.setdefault(result.name, []).append(str(result.error))
    return ProblemError(kind, " ".join(str(result.error) for result in results), errors)


@extend_schema_view(
    list=extend_schema(summary="List a picture's captions, in order"),
    retrieve=extend_schema(summary="Read one caption"),
    create=extend_schema(summary="Add a caption after the others"),
    partial_update=extend_schema(summary="Change the words of a caption"),
    destroy=extend_schema(summary="Delete a caption"),
)
@extend_schema(
    parameters=[OpenApiParameter("image_pk", int, OpenApiParameter.PATH, description="Picture.")]
)
class CaptionViewSet(StrictView, viewsets.ModelViewSet[Caption]):
    """Captions of one picture. To change their order, send all of them to the picture."""

    queryset = Caption.objects.none()
    serializer_class = CaptionSerializer
    permission_classes = [Permitted]
    needs: ClassVar[Needs] = {
        "create": (),
        "partial_update": (),
        "destroy": (),
    }
    pagination_class = None
    http_method_names = ["get", "post", "patch", "delete"]
    lookup_value_converter = "int"

    def image(self) -> Image:
        visible = Image.objects.visible_to(self.request.user)
        return get_object_or_404(visible, pk=self.kwargs["image_pk"])

    def editable_image(self) -> Image:
        image = self.image()
        require_editable(person(self.request), image)
        return image

    def get_queryset(self) -> QuerySet[Caption]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        return self.image().captions.all()

    def perform_create(self, serializer: Any) -> None:
        serializer.instance = images.add_caption(
            self.editable_image(), serializer.validated_data["text"]
        )

    def perform_update(self, serializer: Any) -> None:
        caption = serializer.instance
        self.editable_image()
        images.change_caption(caption, serializer.validated_data.get("text", caption.text))

    def perform_destroy(self, instance: Caption) -> None:
        self.editable_image()
        images.delete_caption(instance)


@extend_schema_view(
    list=extend_schema(summary="List jobs, newest first"),
    retrieve=extend_schema(summary="Read one job: its state and progress"),
)
class JobViewSet(Read):
    queryset = Job.objects.none()
    serializer_class = JobSerializer
    permission_classes = [Permitted]
    needs: ClassVar[Needs] = {
        "list": (),
        "retrieve": (),
        "metrics": (),
        "create": (),
        "cancel": (),
        "retry": (),
    }
    filterset_class = JobFilterSet
    problem_kinds: ClassVar[Problems] = {JobError: JOB_STATE}
    extra_problems: ClassVar[Extra] = {"cancel": {"409"}, "retry": {"409"}}
    lists = ("list", "metrics")
    without_body = ("cancel", "retry")

    def get_queryset(self) -> QuerySet[Job]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        return Job.objects.visible_to(person(self.request)).select_related("created_by")

    def changeable(self) -> Job:
        """Fetch the job of the address; raises PermissionDenied where it is only to be watched."""
        job: Job = self.get_object()
        user = person(self.request)
        if not Job.objects.changeable_by(user).filter(pk=job.pk).exists():
            require(user, "gallery.change_job")
        return job

    @extend_schema(summary="Start work", request=JobRequestSerializer, responses=QUEUED)
    def create(self, request: Request) -> Response:
        wanted = JobRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        require(person(request), KINDS[wanted.validated_data["kind"]].permission)
        if wanted.validated_data["kind"] == Job.Kind.INDEX:
            return job_answer(self, versions.request_rebuild(user=person(request)))
        job = jobs.start(Job.Kind.EMBED, user=person(request), key=Job.Kind.EMBED)
        return job_answer(self, job)

    @extend_schema(
        operation_id="jobs_cancel", summary="Stop a job at its next safe point", request=None
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: int) -> Response:
        jobs.cancel(self.changeable())
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(
        operation_id="jobs_retry",
        summary="Run a finished job again",
        request=None,
        responses=QUEUED_AGAIN,
    )
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: int) -> Response:
        return job_answer(self, jobs.retry(self.changeable(), user=person(request)))

    @extend_schema(
        operation_id="jobs_metrics",
        summary="What a job measured while it ran, oldest first",
        responses=JobMetricSerializer(many=True),
        filters=False,
    )
    @action(detail=True, pagination_class=OldestFirst, filterset_class=None)
    def metrics(self, request: Request, pk: int) -> Response:
        """Points of a training's curves: each step, and each epoch with its validation figures."""
        page = self.paginate_queryset(self.get_object().metrics.all())
        return self.get_paginated_response(JobMetricSerializer(page, many=True).data)


@extend_schema_view(
    list=extend_schema(summary="List what could not be taken in or embedded, and why"),
    retrieve=extend_schema(summary="Read one failure"),
)
class FailureViewSet(Read):
    queryset = Failure.objects.select_related("job")
    serializer_class = FailureSerializer
    permission_classes = [Permitted]
    needs: ClassVar[Needs] = {
        "list": (
            "gallery.view_failure",
            EVERY_IMAGE,
        ),
        "retrieve": (
            "gallery.view_failure",
            EVERY_IMAGE,
        ),
        "retry": ("gallery.change_failure",),
    }
    filterset_class = FailureFilterSet
    problem_kinds: ClassVar[Problems] = {JobError: JOB_STATE}
    extra_problems: ClassVar[Extra] = {"retry": {"409"}}
    without_body = ("retry",)

    @extend_schema(
        operation_id="failures_retry",
        summary="Try one item again",
        request=None,
        responses=QUEUED_AGAIN,
    )
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: int) -> Response:
        return job_answer(self, jobs.retry_failure(self.get_object(), user=person(request)))


@extend_schema_view(
    list=extend_schema(summary="List the indexes that are kept"),
    retrieve=extend_schema(summary="Read one index"),
)
class IndexVersionViewSet(Read):
    queryset = IndexVersion.objects.select_related("model_version")
    serializer_class = IndexVersionSerializer
    permission_classes = [Permitted]
    needs: ClassVar[Needs] = {
        "list": ("gallery.view_indexversion",),
        "retrieve": ("gallery.view_indexversion",),
        "activate": ("gallery.change_indexversion",),
        "rollback": ("gallery.change_indexversion",),
        "rebuild": ("gallery.add_indexversion",),
    }
    problem_kinds: ClassVar[Problems] = {
        IndexFileError: INDEX_CANNOT_SERVE,
        IndexMismatchError: INDEX_CANNOT_SERVE,
        RollbackError: NOTHING_TO_ROLL_BACK_TO,
    }
    extra_problems: ClassVar[Extra] = {"activate": {"409"}, "rollback": {"409"}}
    without_body = ("activate", "rebuild", "rollback")

    @extend_schema(
        operation_id="indexes_activate", summary="Make an index live, forward or back", request=None
    )
    @action(detail=True, methods=["post"])
    def activate(self, request: Request, pk: int) -> Response:
        """Its files and its model are checked first; searches go on all the while."""
        versions.make_active(self.get_object(), user=person(request))
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(
        operation_id="indexes_rebuild", summary="Rebuild the index", request=None, responses=QUEUED
    )
    @action(detail=False, methods=["post"])
    def rebuild(self, request: Request) -> Response:
        return job_answer(self, versions.request_rebuild(user=person(request)))

    @extend_schema(
        operation_id="indexes_rollback",
        summary="Go back to what was live before",
        request=None,
        responses=IndexVersionSerializer,
    )
    @action(detail=False, methods=["post"])
    def rollback(self, request: Request) -> Response:
        """Takes one write; searches go on all the while. The index that is live now is told."""
        index = versions.rollback(user=person(request))
        return Response(self.get_serializer(self.get_queryset().get(pk=index.pk)).data)
