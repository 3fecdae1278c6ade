"""What the API takes and gives, as data."""

from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from gallery.access import ORIGIN
from gallery.api.audience import AudienceSerializer
from gallery.api.places import without_paths
from gallery.api.strict import StrictSerializer
from gallery.models import Caption, Collection, Failure, Image, IndexVersion, Job, ModelVersion, Tag
from gallery.models.choices import Visibility
from gallery.uploads.descriptions import clean
from mlcore.i18n import Message

CAPTION_LENGTH = Caption._meta.get_field("text").max_length
COLLECTION_LENGTH = Collection._meta.get_field("name").max_length
TAG_LENGTH = Tag._meta.get_field("name").max_length
TITLE_LENGTH = Image._meta.get_field("title").max_length


class CaptionTextField(serializers.CharField):
    """One sentence on one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=CAPTION_LENGTH, **options)

    def to_internal_value(self, data: Any) -> str:
        cleaned = clean([super().to_internal_value(data)])
        if not cleaned:
            self.fail("blank")
        return cleaned[0]


class ImageSummarySerializer(serializers.ModelSerializer[Image]):
    """What a search result shows of a picture."""

    url = serializers.HyperlinkedIdentityField(view_name="api:image-detail")
    thumbnail = serializers.HyperlinkedIdentityField(view_name="gallery:thumbnail")
    captions: serializers.Field[Any, Any, Any, Any] = serializers.SlugRelatedField(
        slug_field="text", many=True, read_only=True
    )

    class Meta:
        model = Image
        fields = ["id", "url", "thumbnail", "title", "captions"]


class ImageSerializer(ImageSummarySerializer):
    page = serializers.HyperlinkedIdentityField(view_name="gallery:image")
    display = serializers.HyperlinkedIdentityField(view_name="gallery:display")
    original = serializers.SerializerMethodField(
        help_text="The file as uploaded; for editors only."
    )
    collection = serializers.SlugRelatedField[Collection](
        slug_field="name", read_only=True, allow_null=True
    )
    tags: serializers.Field[Any, Any, Any, Any] = serializers.SlugRelatedField(
        slug_field="name", many=True, read_only=True
    )
    owner = serializers.SlugRelatedField[User](
        slug_field="username", read_only=True, allow_null=True, help_text="For editors only."
    )
    source = serializers.CharField(  # type: ignore[assignment]  # a field, not where it is read
        read_only=True, allow_null=True, help_text="Where the file came from; for editors only."
    )
    sha256 = serializers.CharField(
        read_only=True, allow_null=True, help_text="Of the file as uploaded; for editors only."
    )

    notes = serializers.SerializerMethodField(help_text="What was odd about the file.")
    groups = serializers.SerializerMethodField(
        help_text="Whose members see it; null to those who may not change that."
    )

    ORIGIN = ("original", "owner", "source", "sha256")
    """Shown as null to those without that right: names of people and files may say more than a
    picture."""

    class Meta:
        model = Image
        fields = [
            *ImageSummarySerializer.Meta.fields,
            "page",
            "display",
            "original",
            "width",
            "height",
            "format",
            "bytes",
            "sha256",
            "source",
            "split",
            "collection",
            "tags",
            "taken_at",
            "taken_from",
            "creator",
            "credit",
            "copyright",
            "place",
            "camera",
            "notes",
            "owner",
            "visibility",
            "groups",
            "created_at",
        ]
        read_only_fields = fields

    @extend_schema_field({"type": "array", "items": {"type": "string"}, "nullable": True})
    def get_groups(self, image: Image) -> list[str] | None:
        user = self.context["request"].user
        is_owner = user.is_authenticated and image.owner_id == user.pk
        if not is_owner and not user.has_perm("gallery.change_image"):
            return None
        return [group.name for group in image.groups.all()]

    @extend_schema_field({"type": "string", "format": "uri", "nullable": True})
    def get_original(self, image: Image) -> str:
        return reverse("gallery:original", args=[image.pk], request=self.context.get("request"))

    @extend_schema_field(
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "code": {"type": "string"},
                    "params": {"type": "object", "additionalProperties": {}},
                    "text": {"type": "string"},
                },
                "required": ["code", "params", "text"],
            },
        }
    )
    def get_notes(self, image: Image) -> list[dict[str, Any]]:
        return [in_words(Message.from_json(note)) for note in image.notes]

    def to_representation(self, instance: Image) -> dict[str, Any]:
        shown = super().to_representation(instance)
        if not self.context["request"].user.has_perm(ORIGIN):
            shown.update(dict.fromkeys(self.ORIGIN))
        return shown


class TagListField(serializers.ListField):
    child = serializers.CharField(max_length=TAG_LENGTH)


class CaptionListField(serializers.ListField):
    child = CaptionTextField()


class ImageChangesSerializer(AudienceSerializer):
    """What may be changed of a picture; what is left out stays as it is."""

    title = serializers.CharField(required=False, allow_blank=True, max_length=TITLE_LENGTH)
    collection = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=COLLECTION_LENGTH,
        help_text="Name of one that exists, or a new one; empty for none.",
    )
    tags = TagListField(required=False, help_text="Names; they replace those that are there.")
    visibility = serializers.ChoiceField(required=False, choices=Visibility.choices)
    taken_at = serializers.DateTimeField(required=False, allow_null=True)
    captions = CaptionListField(
        required=False, help_text="Sentences in order; they replace those that are there."
    )


class CaptionSerializer(StrictSerializer, serializers.ModelSerializer[Caption]):
    text = CaptionTextField()

    class Meta:
        model = Caption
        fields = ["id", "text", "order", "source"]
        read_only_fields = ["id", "order", "source"]


@extend_schema_field(
    {
        "type": "object",
        "nullable": True,
        "properties": {
            "code": {"type": "string", "description": "For programs."},
            "params": {"type": "object", "additionalProperties": {}},
            "text": {"type": "string", "description": "In words, as Accept-Language asks."},
        },
        "required": ["code", "params", "text"],
    }
)
class MessageField(serializers.Field[Message, Any, Any, Any]):
    """What people are told: a code with parameters, and in words."""

    def to_representation(self, value: Message) -> dict[str, Any]:
        return in_words(value)


@extend_schema_field({"type": "object", "additionalProperties": {}})
class FactsField(serializers.JSONField):
    """JSON in which every message is also put into words."""

    def to_representation(self, value: Any) -> Any:
        return _with_words(super().to_representation(value))


class ReferenceField(serializers.CharField):
    """What a model is loaded by: of a folder of the server, its name."""

    def to_representation(self, value: str) -> str:
        return str(without_paths(value))


def in_words(message: Message) -> dict[str, Any]:
    """Tell a message as data, and as a sentence; of paths, the last part."""
    message = without_paths(message)
    return {**message.as_json(), "text": str(message)}


def _with_words(value: Any) -> Any:
    if isinstance(value, dict):
        if {"code", "params"} == value.keys():
            return in_words(Message.from_json(value))
        return {name: _with_words(each) for name, each in value.items()}
    return [_with_words(each) for each in value] if isinstance(value, list) else value


class JobSerializer(serializers.ModelSerializer[Job]):
    url = serializers.HyperlinkedIdentityField(view_name="api:job-detail")
    percent = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="0 to 100; null while the total is not known."
    )
    message = MessageField(read_only=True, allow_null=True, help_text="Where it is.")
    error = MessageField(read_only=True, allow_null=True, help_text="Why it failed.")
    params = serializers.JSONField(
        source="told_params", read_only=True, help_text="What it was told to do."
    )
    result = FactsField(read_only=True, help_text="What came of it.")
    created_by = serializers.SlugRelatedField[User](
        slug_field="username", read_only=True, allow_null=True
    )

    class Meta:
        model = Job
        fields = [
            "id",
            "url",
            "kind",
            "status",
            "done",
            "total",
            "percent",
            "message",
            "error",
            "is_defect",
            "cancel_requested",
            "attempt",
            "params",
            "result",
            "created_by",
            "created_at",
            "started_at",
            "finished_at",
        ]
        read_only_fields = fields


class JobRequestSerializer(StrictSerializer):
    kind = serializers.ChoiceField(
        choices=[(Job.Kind.EMBED, "Embed what has no vector"), (Job.Kind.INDEX, "Build the index")]
    )


class FailureSerializer(serializers.ModelSerializer[Failure]):
    url = serializers.HyperlinkedIdentityField(view_name="api:failure-detail")
    reason = MessageField(read_only=True)

    class Meta:
        model = Failure
        fields = [
            "id",
            "url",
            "stage",
            "item",
            "reason",
            "attempts",
            "job",
            "image",
            "first_seen",
            "last_seen",
        ]
        read_only_fields = fields


class ModelSummarySerializer(serializers.ModelSerializer[ModelVersion]):
    """Which model it is, where it stands beside something else."""

    url = serializers.HyperlinkedIdentityField(view_name="api:model-detail")
    reference = ReferenceField(read_only=True)

    class Meta:
        model = ModelVersion
        fields = [
            "id",
            "url",
            "name",
            "reference",
            "fingerprint",
            "dim",
            "image_size",
            "created_at",
        ]
        read_only_fields = fields


class IndexVersionSerializer(serializers.ModelSerializer[IndexVersion]):
    url = serializers.HyperlinkedIdentityField(view_name="api:index-detail")
    model = ModelSummarySerializer(source="model_version", read_only=True)

    class Meta:
        model = IndexVersion
        fields = [
            "id",
            "url",
            "model",
            "count",
            "watermark",
            "is_active",
            "created_at",
            "activated_at",
        ]
        read_only_fields = fields


class TokenRequestSerializer(StrictSerializer):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1000, trim_whitespace=False)


class TokenSerializer(serializers.Serializer[Any]):
    token = serializers.CharField(help_text="Shown this once; only a hash of it is kept.")
    expires_at = serializers.DateTimeField()


class ProblemSerializer(serializers.Serializer[Any]):
    """Problem details as in RFC 9457."""

    type = serializers.CharField(
        help_text="Names the kind of problem; about:blank where the status says it all."
    )
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="A sentence for people.")
    errors = serializers.DictField(  # type: ignore[assignment]  # of the problem
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="Messages by field, where fields are at fault.",
    )
