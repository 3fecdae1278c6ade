"""What comes in over the API, and what became of it, as data."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from gallery.api.audience import AudienceSerializer
from gallery.api.serializers import (
    COLLECTION_LENGTH,
    CaptionListField,
    ImageSerializer,
    JobSerializer,
    TagListField,
)
from gallery.models import Image
from gallery.models.choices import Visibility
from gallery.uploads.descriptions import collection_named, tags_named
from gallery.uploads.items import Destination, IngestResult


class DestinationSerializer(AudienceSerializer):
    """What holds for all pictures that come in."""

    captions = CaptionListField(required=False, help_text="Repeat the field for several.")
    tags = TagListField(required=False, help_text="Repeat the field for several.")
    collection = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=COLLECTION_LENGTH,
        help_text="Name of one that exists, or a new one.",
    )
    visibility = serializers.ChoiceField(choices=Visibility.choices, default=Visibility.PUBLIC)

    def destination(self, user: User) -> Destination:
        """Say where they go; a collection or a tag that is new is made now."""
        data = self.validated_data
        return Destination(
            uploader=user,
            owner=user,
            sender=user,
            visibility=data["visibility"],
            groups=tuple(data.get("groups", ())),
            collection=collection_named(data.get("collection", "")),
            tags=tuple(tags_named(data.get("tags", []))),
        )


class UploadSerializer(DestinationSerializer):
    """One or more files, and what holds for all of them."""

    file = serializers.ListField(
        child=serializers.FileField(allow_empty_file=True),  # refused by itself, with its reason
        allow_empty=False,
        help_text="One or more pictures: repeat the field.",
    )

    def validate_file(self, files: list[Any]) -> list[Any]:
        limit = settings.DATA_UPLOAD_MAX_NUMBER_FILES
        if len(files) > limit:
            raise serializers.ValidationError(
                gettext("At most %(limit)s files at a time.") % {"limit": limit}
            )
        return files


OUTCOMES = [
    ("created", "A new picture"),
    ("duplicate", "The same bytes were there already"),
    ("rejected", "Not accepted; see error"),
]


class IngestResultSerializer(serializers.Serializer[IngestResult]):
    """What became of one file."""

    name = serializers.CharField(help_text="What the sender called the file.")
    outcome = serializers.SerializerMethodField()
    image = serializers.SerializerMethodField(
        help_text="Null where it was refused, and where it is there but not for this account."
    )
    error = serializers.SerializerMethodField(help_text="Why it was not accepted; empty if it was.")

    @extend_schema_field(serializers.ChoiceField(choices=OUTCOMES))
    def get_outcome(self, result: IngestResult) -> str:
        if result.image is None:
            return "rejected"
        return "created" if result.created else "duplicate"

    @extend_schema_field(ImageSerializer(allow_null=True))
    def get_image(self, result: IngestResult) -> dict[str, Any] | None:
        image = result.image
        user = self.context["request"].user
        if image is None or not Image.objects.visible_to(user).filter(pk=image.pk).exists():
            return None
        return dict(ImageSerializer(image, context=self.context).data)

    def get_error(self, admission: IngestResult) -> str:
        return str(admission.error or "")


class UploadResultSerializer(serializers.Serializer[Any]):
    results = IngestResultSerializer(many=True, help_text="One for each file, in the order sent.")
    job = JobSerializer(allow_null=True, help_text="What embeds the new pictures, if any are new.")
