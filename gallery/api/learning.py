"""Teaching for programs: trainings, evaluations, promotions and query sets."""

from typing import Any, ClassVar

from django.db.models import Prefetch
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_noop
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gallery.access import EVERY_IMAGE
from gallery.api.answers import QUEUED, Extra, Problems, Read, job_answer, person
from gallery.api.filters import EvaluationFilterSet
from gallery.api.learning_serializers import (
    ComparisonSerializer,
    EvaluationRequestSerializer,
    EvaluationSerializer,
    ModelVersionSerializer,
    OutcomesSerializer,
    PairSerializer,
    PromotionRequestSerializer,
    PromotionSerializer,
    SavedQuerySetSerializer,
    TrainingRequestSerializer,
    WindowSerializer,
)
from gallery.api.permissions import Needs, Permitted
from gallery.api.problems import INVALID_INPUT, ProblemKind
from gallery.api.serializers import JobSerializer
from gallery.api.strict import Address, StrictView
from gallery.forms.query_sets import drafts_of
from gallery.models import Evaluation, ModelVersion, Promotion, SavedQuerySet
from gallery.services import evaluations, query_sets, training, versions
from gallery.services.evaluations import EvaluationError
from gallery.services.query_sets import QuerySetError
from mlcore.errors import DatasetError, ModelUnavailableError, TrainingError

PROMOTION_REFUSED = ProblemKind(409, "promotion-refused", gettext_noop("Refused by the gate"))
TRAINING_REFUSED = ProblemKind(409, "training-refused", gettext_noop("Training cannot start"))
EVALUATION_REFUSED = ProblemKind(409, "evaluation-refused", gettext_noop("Evaluation cannot start"))
NOT_COMPARABLE = ProblemKind(409, "not-comparable", gettext_noop("Not the same queries"))


@extend_schema_view(
    list=extend_schema(summary="List the models, with their metrics and verdicts"),
    retrieve=extend_schema(summary="Read one model"),
)
class ModelVersionViewSet(Read):
    queryset = ModelVersion.objects.select_related("proposal").prefetch_related(
        "index_versions", Prefetch("evaluations", queryset=Evaluation.objects.order_by("-pk"))
    )
    serializer_class = ModelVersionSerializer
    permission_classes = [Permitted]
    needs: ClassVar[Needs] = {
        "list": ("gallery.view_modelversion",),
        "retrieve": ("gallery.view_modelversion",),
        "promote": ("gallery.add_promotion",),
        "propose": ("gallery.add_proposal",),
        "withdraw": ("gallery.add_proposal",),
    }
    problem_kinds: ClassVar[Problems] = {versions.PromotionRefusedError: PROMOTION_REFUSED}
    extra_problems: ClassVar[Extra] = {"promote": {"409"}, "propose": {"409"}}

    @extend_schema(
        operation_id="models_promote",
        summary="Put a model live",
        request=PromotionRequestSerializer,
        responses=QUEUED,
    )
    @action(detail=True, methods=["post"])
    def promote(self, request: Request, pk: int) -> Response:
        """Embed every picture with it, build its index, and go over to it when that is complete.

        Searches go on all the while. It stops where the gate or a query set refuses the model,
        unless a reason is given to pass over that.
        """
        wanted = PromotionRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        reason = wanted.validated_data["override_reason"]
        job = versions.request_promotion(
            self.get_object(), user=person(request), override_reason=reason
        )
        return job_answer(self, job)

    @extend_schema(
        operation_id="models_propose",
        summary="Propose a model for promotion",
        request=None,
        responses=ModelVersionSerializer,
    )
    @action(detail=True, methods=["post"])
    def propose(self, request: Request, pk: int) -> Response:
        """Tell those who may promote that it should go live. Proposed once, it stays so until it is
        live or the proposal is withdrawn."""
        model = self.get_object()
        versions.propose(model, user=person(request))
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(operation_id="models_withdraw", summary="Withdraw a proposal", request=None)
    @propose.mapping.delete
    def withdraw(self, request: Request, pk: int) -> Response:
        """It is not proposed any more, whether it was or not."""
        versions.withdraw_proposal(self.get_object(), user=person(request))
        return Response(status=204)


@extend_schema_view(list=extend_schema(summary="List what went live and what was rolled back"))
class PromotionViewSet(StrictView, mixins.ListModelMixin, viewsets.GenericViewSet[Promotion]):
    queryset = Promotion.objects.select_related("created_by")
    serializer_class = PromotionSerializer
    permission_classes = [Permitted]
    needs: ClassVar[Needs] = {
        "list": ("gallery.view_promotion",),
    }


class TrainingViewSet(StrictView, viewsets.GenericViewSet[Any]):
    """Trainings are jobs: watch one, and its metrics, there."""

    queryset = ModelVersion.objects.none()
    serializer_class = JobSerializer
    permission_classes = [Permitted]
    needs: ClassVar[Needs] = {
        "create": ("gallery.add_modelversion",),
    }
    problem_kinds: ClassVar[Problems] = {
        TrainingError: TRAINING_REFUSED,
        ModelUnavailableError: TRAINING_REFUSED,
    }
    extra_problems: ClassVar[Extra] = {"create": {"409"}}

    @extend_schema(
        operation_id="trainings_create",
        summary="Fine-tune a model on the captioned pictures",
        request=TrainingRequestSerializer,
        responses=QUEUED,
    )
    def create(self, request: Request) -> Response:
        """Train a candidate; nothing changes for searches until it is promoted."""
        wanted = TrainingRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        job = training.request_training(wanted.params(), user=person(request))
        return job_answer(self, job)


@extend_schema_view(
    list=extend_schema(summary="List evaluations, newest first"),
    retrieve=extend_schema(summary="Read one evaluation"),
)
class EvaluationViewSet(Read):
    queryset = Evaluation.objects.all()
    serializer_class = EvaluationSerializer
    permission_classes = [Permitted]
    needs: ClassVar[Needs] = {
        "list": (
            "gallery.view_evaluation",
            EVERY_IMAGE,
        ),
        "retrieve": (
            "gallery.view_evaluation",
            EVERY_IMAGE,
        ),
        "outcomes": (
            "gallery.view_evaluation",
            EVERY_IMAGE,
        ),
        "create": ("gallery.add_evaluation",),
    }
    filterset_class = EvaluationFilterSet
    problem_kinds: ClassVar[Problems] = {EvaluationError: EVALUATION_REFUSED}
    extra_problems: ClassVar[Extra] = {"create": {"409"}}
    address: ClassVar[Address] = {"outcomes": WindowSerializer}

    @extend_schema(
        operation_id="evaluations_create",
        summary="Measure a model",
        request=EvaluationRequestSerializer,
        responses=QUEUED,
    )
    def create(self, request: Request) -> Response:
        wanted = EvaluationRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        data = dict(wanted.validated_data)
        collection = data.pop("collection")
        job = evaluations.request_evaluation(
            data.pop("model"),
            collection=collection.name if collection else "",
            user=person(request),
            **data,
        )
        return job_answer(self, job)

    @extend_schema(
        operation_id="evaluations_outcomes",
        summary="What each query found",
        parameters=[WindowSerializer],
        responses=OutcomesSerializer,
        filters=False,
    )
    @action(detail=True, pagination_class=None)
    def outcomes(self, request: Request, pk: int) -> Response:
        outcomes = self.get_object().outcomes
        window = WindowSerializer(data=request.query_params)
        window.is_valid(raise_exception=True)
        first, size = window.validated_data["offset"], window.validated_data["limit"]
        after = first + size
        following = f"{request.build_absolute_uri(request.path)}?limit={size}&offset={after}"
        answer = {
            "count": len(outcomes),
            "results": outcomes[first:after],
            "next": following if after < len(outcomes) else None,
        }
        return Response(OutcomesSerializer(answer).data)


class ComparisonView(StrictView, APIView):
    address: ClassVar[Address] = {"get": PairSerializer}
    permission_classes = [Permitted]
    needs: ClassVar[Needs] = {
        "get": (
            "gallery.view_evaluation",
            EVERY_IMAGE,
        ),
    }
    problem_kinds: ClassVar[Problems] = {DatasetError: NOT_COMPARABLE}
    extra_problems: ClassVar[Extra] = {"get": {"404", "409"}}

    @extend_schema(
        operation_id="comparison_retrieve",
        summary="Compare two models on the same queries",
        parameters=[PairSerializer],
        responses=ComparisonSerializer,
    )
    def get(self, request: Request) -> Response:
        """Paired bootstrap over the queries; the queries that moved most come first."""
        wanted = PairSerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        found = {
            name: get_object_or_404(Evaluation, pk=pk) for name, pk in wanted.validated_data.items()
        }
        comparison = evaluations.compare_evaluations(found["live"], found["candidate"])
        ids = {name: evaluation.pk for name, evaluation in found.items()}
        return Response({**comparison.as_dict(), **ids})


@extend_schema_view(
    list=extend_schema(summary="List the query sets"),
    retrieve=extend_schema(summary="Read one query set"),
    destroy=extend_schema(summary="Delete a query set"),
)
class QuerySetViewSet(mixins.DestroyModelMixin, Read):
    """Queries with the pictures that should come back; every new model is run on them."""

    queryset = SavedQuerySet.objects.select_related("created_by").prefetch_related(
        "queries__relevant"
    )
    serializer_class = SavedQuerySetSerializer
    permission_classes = [Permitted]
    needs: ClassVar[Needs] = {
        "list": ("gallery.view_savedqueryset",),
        "retrieve": ("gallery.view_savedqueryset",),
        "create": ("gallery.add_savedqueryset",),
        "partial_update": ("gallery.change_savedqueryset",),
        "destroy": ("gallery.delete_savedqueryset",),
    }
    problem_kinds: ClassVar[Problems] = {QuerySetError: INVALID_INPUT}

    @extend_schema(summary="Save a new query set", responses={201: SavedQuerySetSerializer})
    def create(self, request: Request) -> Response:
        wanted = self.get_serializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        data = dict(wanted.validated_data)
        saved = query_sets.save(
            None,
            queries=SavedQuerySetSerializer.drafts(data.pop("queries")),
            user=person(request),
            **data,
        )
        answer = self.get_serializer(self.get_queryset().get(pk=saved.pk)).data
        return Response(answer, status=201, headers={"Location": answer["url"]})

    @extend_schema(summary="Change a query set; queries that are sent replace all it has")
    def partial_update(self, request: Request, pk: int) -> Response:
        query_set = self.get_object()
        wanted = self.get_serializer(query_set, data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        data = dict(wanted.validated_data)
        queries = (
            SavedQuerySetSerializer.drafts(data["queries"])
            if "queries" in data
            else drafts_of(query_set.queries.all())
        )
        query_sets.save(
            query_set,
            name=data.get("name", query_set.name),
            description=data.get("description", query_set.description),
            tolerance=data.get("tolerance", query_set.tolerance),
            queries=queries,
            user=person(request),
        )
        return Response(self.get_serializer(self.get_object()).data)

    def perform_destroy(self, instance: SavedQuerySet) -> None:
        query_sets.delete(instance)
