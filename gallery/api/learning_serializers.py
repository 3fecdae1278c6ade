"""Models, trainings, evaluations and query sets, as data."""

from typing import Any, get_args

from django.contrib.auth.models import User
from django.db.models import BigIntegerField
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from gallery.api.serializers import FactsField, MessageField, ReferenceField
from gallery.api.strict import StrictSerializer
from gallery.models import (
    Collection,
    Evaluation,
    Image,
    IndexVersion,
    JobMetric,
    ModelVersion,
    Promotion,
    SavedQuery,
    SavedQuerySet,
)
from gallery.services import evaluations, training
from gallery.services.query_sets import DraftQuery
from mlcore.training.config import Tune

STATES = [
    ("live", "It answers searches"),
    ("former", "It did, and its index is kept"),
    ("candidate", "It was trained or imported here, and can be promoted"),
    ("known", "Something was embedded with it"),
]


class ModelVersionSerializer(serializers.ModelSerializer[ModelVersion]):
    url = serializers.HyperlinkedIdentityField(view_name="api:model-detail")
    state = serializers.ChoiceField(choices=STATES, read_only=True)
    reference = ReferenceField(read_only=True)
    parent = serializers.PrimaryKeyRelatedField[ModelVersion](  # type: ignore[assignment]  # ditto
        read_only=True, allow_null=True, help_text="The model that its training started from."
    )
    proposed_at = serializers.SerializerMethodField(
        help_text="When it was proposed for promotion; null where it is not."
    )
    metrics = serializers.SerializerMethodField(
        help_text="Words to pictures, of its latest evaluation; null before the first."
    )
    verdict = FactsField(
        read_only=True, help_text="What the gate last said, check by check; empty if never."
    )
    recipe = serializers.JSONField(read_only=True, help_text="How it was trained.")
    data = serializers.JSONField(  # type: ignore[assignment]  # a field, not what was sent
        read_only=True, help_text="What it was trained on: hash and counts."
    )

    class Meta:
        model = ModelVersion
        fields = [
            "id",
            "url",
            "name",
            "state",
            "origin",
            "reference",
            "fingerprint",
            "image_fingerprint",
            "dim",
            "image_size",
            "views",
            "parent",
            "job",
            "recipe",
            "data",
            "metrics",
            "verdict",
            "proposed_at",
            "created_at",
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_proposed_at(self, model: ModelVersion) -> str | None:
        proposal = getattr(model, "proposal", None)
        when = serializers.DateTimeField()
        return when.to_representation(proposal.created_at) if proposal else None

    @extend_schema_field({"type": "object", "nullable": True, "additionalProperties": {}})
    def get_metrics(self, model: ModelVersion) -> dict[str, Any] | None:
        latest = next(iter(model.evaluations.all()), None)
        if latest is None:
            return None
        figures = latest.metrics.get("text_to_image") or {}
        return {"evaluation": latest.pk, "protocol": latest.protocol, **figures}


class PromotionRequestSerializer(StrictSerializer):
    override_reason = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=2000,
        default="",
        help_text="Why it goes live though a check fails; kept in the history.",
    )


class PromotionSerializer(serializers.ModelSerializer[Promotion]):
    model = serializers.PrimaryKeyRelatedField[ModelVersion](
        source="model_version", read_only=True, help_text="Live since then."
    )
    former_model = serializers.PrimaryKeyRelatedField[ModelVersion](read_only=True, allow_null=True)
    index = serializers.PrimaryKeyRelatedField[IndexVersion](
        source="index_version", read_only=True, allow_null=True
    )
    verdict = FactsField(read_only=True, help_text="What the gate said, check by check.")
    created_by = serializers.SlugRelatedField[User](
        slug_field="username", read_only=True, allow_null=True
    )

    class Meta:
        model = Promotion
        fields = [
            "id",
            "kind",
            "model",
            "former_model",
            "index",
            "verdict",
            "override_reason",
            "created_by",
            "job",
            "created_at",
        ]
        read_only_fields = fields


class ExistingCollectionField(serializers.SlugRelatedField[Collection]):
    """A collection that exists, by its name; or none."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            slug_field="name",
            queryset=Collection.objects.all(),
            required=False,
            allow_null=True,
            default=None,
            **options,
        )

    def to_internal_value(self, data: Any) -> Collection:
        if isinstance(data, str) and "\0" in data:  # PostgreSQL would throw: it has no such text
            self.fail("does_not_exist", slug_name=self.slug_field, value=data)
        found: Collection = super().to_internal_value(data)
        return found


class TrainingRequestSerializer(StrictSerializer):
    """A recipe; what is left out is what suits the model and the choice of what to train."""

    name = serializers.CharField(required=False, allow_blank=True, max_length=120, default="")
    base = serializers.PrimaryKeyRelatedField(
        queryset=ModelVersion.objects.all(),
        required=False,
        allow_null=True,
        default=None,
        help_text="The model to start from; the live one where not given.",
    )
    collection = ExistingCollectionField(help_text="Learn from this collection alone.")
    tune = serializers.ChoiceField(choices=[*get_args(Tune)], default="heads")
    recipe = serializers.DictField(
        required=False,
        default=dict,
        help_text=f"Settings that differ from what is recommended: "
        f"{', '.join(sorted(training.RECIPE_FIELDS))}.",
    )

    def params(self) -> training.TrainingParams:
        data = self.validated_data
        return training.TrainingParams(
            name=data["name"],
            base=data["base"].pk if data["base"] else None,
            collection=data["collection"].name if data["collection"] else "",
            tune=data["tune"],
            recipe=data["recipe"],
        )


class JobMetricSerializer(serializers.ModelSerializer[JobMetric]):
    values = serializers.DictField(
        read_only=True,
        help_text="`kind` says whether it is a step or an epoch; epochs have validation figures.",
    )

    class Meta:
        model = JobMetric
        fields = ["id", "step", "epoch", "values", "created_at"]
        read_only_fields = fields


class EvaluationSerializer(serializers.ModelSerializer[Evaluation]):
    url = serializers.HyperlinkedIdentityField(view_name="api:evaluation-detail")
    page = serializers.HyperlinkedIdentityField(view_name="gallery:evaluation")
    model = serializers.PrimaryKeyRelatedField[ModelVersion](source="model_version", read_only=True)
    dataset = MessageField(read_only=True, help_text="What the pictures are called.")
    metrics = serializers.DictField(
        read_only=True, help_text="By direction, each with 95 % intervals; and what was asked."
    )
    composition = serializers.DictField(
        read_only=True, help_text="By kind of change; empty where it was not tested."
    )

    class Meta:
        model = Evaluation
        fields = [
            "id",
            "url",
            "page",
            "model",
            "protocol",
            "dataset",
            "data_sha256",
            "queries",
            "gallery",
            "metrics",
            "composition",
            "job",
            "created_at",
        ]
        read_only_fields = fields


@extend_schema_field({"type": "string", "default": "test"})
class PartField(serializers.ChoiceField):
    """Which pictures ask. Told in words: as a named type it would clash with a picture's split."""


class EvaluationRequestSerializer(StrictSerializer):
    model = serializers.PrimaryKeyRelatedField(queryset=ModelVersion.objects.all())
    protocol = serializers.ChoiceField(
        choices=evaluations.PROTOCOLS, default=evaluations.PROTOCOLS[0][0]
    )
    gallery = serializers.ChoiceField(
        choices=evaluations.GALLERIES, default=evaluations.GALLERIES[0][0]
    )
    split = PartField(
        choices=evaluations.SPLITS,
        default=evaluations.SPLITS[0][0],
        allow_blank=True,
        help_text="`test`, `validation` or `train`; empty for all captioned pictures.",
    )
    collection = ExistingCollectionField()
    composition = serializers.BooleanField(
        default=False, help_text="Also test whether captions beat slightly wrong ones."
    )


class OutcomeSerializer(serializers.Serializer[Any]):
    """What one query found."""

    query = serializers.CharField()
    relevant = serializers.ListField(
        child=serializers.CharField(),
        help_text="Ids of pictures of the gallery, or names of files where a folder was asked.",
    )
    rank = serializers.IntegerField(help_text="Of the first right picture, from 1.")
    top = serializers.ListField(
        child=serializers.CharField(), help_text="What came first, named likewise."
    )


class WindowSerializer(serializers.Serializer[Any]):
    """Which outcomes are wanted."""

    limit = serializers.IntegerField(min_value=1, max_value=1000, default=100)
    offset = serializers.IntegerField(min_value=0, max_value=10_000_000, default=0)


class PairSerializer(serializers.Serializer[Any]):
    """Two evaluations."""

    live = serializers.IntegerField(min_value=1, max_value=BigIntegerField.MAX_BIGINT)
    candidate = serializers.IntegerField(min_value=1, max_value=BigIntegerField.MAX_BIGINT)


class OutcomesSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    results = OutcomeSerializer(many=True)
    next = serializers.URLField(allow_null=True)


class ComparisonSerializer(serializers.Serializer[Any]):
    """A candidate against the live model, on the same queries."""

    live = serializers.IntegerField(help_text="Evaluation of the model before.")
    candidate = serializers.IntegerField(help_text="Evaluation of the model after.")
    metrics = serializers.DictField(
        help_text="By name: both figures, the difference, its 95 % interval and p-value."
    )
    better = serializers.ListField(child=serializers.DictField(), help_text="Queries that gained.")
    worse = serializers.ListField(child=serializers.DictField(), help_text="Queries that lost.")


class SavedQuerySerializer(StrictSerializer, serializers.ModelSerializer[SavedQuery]):
    relevant = serializers.PrimaryKeyRelatedField(
        many=True, queryset=Image.objects.all(), help_text="Pictures that should come back."
    )

    class Meta:
        model = SavedQuery
        fields = ["text", "relevant"]

    def to_representation(self, instance: SavedQuery) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        return shown | {"relevant": sorted(shown["relevant"])}


class SavedQuerySetSerializer(StrictSerializer, serializers.ModelSerializer[SavedQuerySet]):
    url = serializers.HyperlinkedIdentityField(view_name="api:query-set-detail")
    queries = SavedQuerySerializer(many=True, help_text="They replace those that are there.")
    created_by = serializers.SlugRelatedField[User](
        slug_field="username", read_only=True, allow_null=True
    )

    class Meta:
        model = SavedQuerySet
        fields = [
            "id", "url", "name", "description", "tolerance", "queries", "created_by", "created_at",
        ]  # fmt: skip
        read_only_fields = ["id", "created_at"]

    @staticmethod
    def drafts(queries: list[dict[str, Any]]) -> list[DraftQuery]:
        return [
            DraftQuery(query["text"], [image.pk for image in query["relevant"]])
            for query in queries
        ]
