"""What the API takes and gives, as data."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from gallery.models import Caption, Collection, Failure, Image, IndexVersion, Job, ModelVersion, Tag
from gallery.models.image import Visibility
from gallery.uploads import Admission, clean

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
    original = serializers.SerializerMethodField(help_text="The file as uploaded; staff only.")
    collection = serializers.SlugRelatedField[Collection](
        slug_field="name", read_only=True, allow_null=True
    )
    tags: serializers.Field[Any, Any, Any, Any] = serializers.SlugRelatedField(
        slug_field="name", many=True, read_only=True
    )
    owner = serializers.SlugRelatedField[User](
        slug_field="username", read_only=True, allow_null=True, help_text="Staff only."
    )
    source = serializers.CharField(  # type: ignore[assignment]  # a field, not where it is read
        read_only=True, allow_null=True, help_text="Where the file came from; staff only."
    )
    sha256 = serializers.CharField(
        read_only=True, allow_null=True, help_text="Of the file as uploaded; staff only."
    )

    STAFF_ONLY = ("original", "owner", "source", "sha256")
    """Shown as null to other people: names of people and files may say more than a picture."""

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
            "owner",
            "visibility",
            "created_at",
        ]
        read_only_fields = fields

    @extend_schema_field({"type": "string", "format": "uri", "nullable": True})
    def get_original(self, image: Image) -> str:
        return reverse("gallery:original", args=[image.pk], request=self.context.get("request"))

    def to_representation(self, instance: Image) -> dict[str, Any]:
        shown = super().to_representation(instance)
        if not self.context["request"].user.is_staff:
            shown.update(dict.fromkeys(self.STAFF_ONLY))
        return shown


class TagListField(serializers.ListField):
    child = serializers.CharField(max_length=TAG_LENGTH)


class CaptionListField(serializers.ListField):
    child = CaptionTextField()


class ImageChangesSerializer(serializers.Serializer[Any]):
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


class UploadSerializer(serializers.Serializer[Any]):
    """One or more files, and what holds for all of them."""

    file = serializers.ListField(
        child=serializers.FileField(),
        allow_empty=False,
        help_text="One or more pictures: repeat the field.",
    )
    captions = CaptionListField(required=False, help_text="Repeat the field for several.")
    tags = TagListField(required=False, help_text="Repeat the field for several.")
    collection = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=COLLECTION_LENGTH,
        help_text="Name of one that exists, or a new one.",
    )
    visibility = serializers.ChoiceField(choices=Visibility.choices, default=Visibility.PUBLIC)

    def validate_file(self, files: list[Any]) -> list[Any]:
        limit = settings.DATA_UPLOAD_MAX_NUMBER_FILES
        if len(files) > limit:
            raise serializers.ValidationError(f"At most {limit} files at a time.")
        return files


class CaptionSerializer(serializers.ModelSerializer[Caption]):
    text = CaptionTextField()

    class Meta:
        model = Caption
        fields = ["id", "text", "order", "source"]
        read_only_fields = ["id", "order", "source"]


class JobSerializer(serializers.ModelSerializer[Job]):
    url = serializers.HyperlinkedIdentityField(view_name="api:job-detail")
    percent = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="0 to 100; null while the total is not known."
    )
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


class JobRequestSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(
        choices=[(Job.Kind.EMBED, "Embed what has no vector"), (Job.Kind.INDEX, "Build the index")]
    )


class FailureSerializer(serializers.ModelSerializer[Failure]):
    url = serializers.HyperlinkedIdentityField(view_name="api:failure-detail")

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


OUTCOMES = [
    ("created", "A new picture"),
    ("duplicate", "The same bytes were there already"),
    ("rejected", "Not accepted; see error"),
]


class AdmissionSerializer(serializers.Serializer[Admission]):
    """What became of one file."""

    name = serializers.CharField(help_text="What the sender called the file.")
    outcome = serializers.SerializerMethodField()
    image = ImageSerializer(allow_null=True)
    error = serializers.CharField(help_text="Why it was not accepted; empty if it was.")

    @extend_schema_field(serializers.ChoiceField(choices=OUTCOMES))
    def get_outcome(self, admission: Admission) -> str:
        if admission.image is None:
            return "rejected"
        return "created" if admission.created else "duplicate"


class UploadResultSerializer(serializers.Serializer[Any]):
    results = AdmissionSerializer(many=True, help_text="One for each file, in the order sent.")
    job = JobSerializer(allow_null=True, help_text="What embeds the new pictures, if any are new.")


class TokenRequestSerializer(serializers.Serializer[Any]):
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
