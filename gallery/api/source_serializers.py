"""Sources that are followed, as data."""

from typing import Any

from django.contrib.auth.models import User
from django.utils.translation import gettext
from rest_framework import serializers

from gallery.api.serializers import COLLECTION_LENGTH, JobSerializer, MessageField, TagListField
from gallery.api.strict import StrictSerializer
from gallery.models import Collection, SyncedFile, SyncSource, VanishedPicture
from gallery.models.choices import Visibility
from gallery.models.sync import PATH_LENGTH
from gallery.uploads.places import SyncError, checked_address
from mlcore.layouts import LAYOUTS, PLAIN

AUDIENCES = [each for each in Visibility.choices if each[0] != Visibility.GROUPS]
"""Who may see what a source brings: it names no groups."""


class SourceSerializer(serializers.ModelSerializer[SyncSource]):
    url = serializers.HyperlinkedIdentityField(view_name="api:source-detail")
    address = serializers.CharField(
        source="__str__",
        read_only=True,
        help_text="s3://bucket/prefix, or a folder from the last part of the allowed place on.",
    )
    collection = serializers.SlugRelatedField[Collection](
        slug_field="name", read_only=True, allow_null=True
    )
    tags: serializers.Field[Any, Any, Any, Any] = serializers.SlugRelatedField(
        slug_field="name", many=True, read_only=True
    )
    owner = serializers.SlugRelatedField[User](
        slug_field="username", read_only=True, allow_null=True
    )
    last_job = JobSerializer(read_only=True, allow_null=True, help_text="The last look into it.")

    class Meta:
        model = SyncSource
        fields = [
            "id",
            "url",
            "address",
            "is_enabled",
            "interval",
            "hide_vanished",
            "collection",
            "tags",
            "visibility",
            "owner",
            "layout",
            "file_column",
            "caption_column",
            "last_job",
            "created_at",
        ]
        read_only_fields = fields


class SourceChangesSerializer(StrictSerializer, serializers.ModelSerializer[SyncSource]):
    """What may be changed; collection, tags and visibility hold for what comes from now on."""

    collection = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=COLLECTION_LENGTH,
        help_text="Name of one that exists, or a new one; empty for none.",
    )
    tags = TagListField(required=False, help_text="Names; they replace those that are there.")
    visibility = serializers.ChoiceField(
        required=False,
        choices=AUDIENCES,
    )
    layout = serializers.ChoiceField(
        required=False,
        allow_blank=True,
        choices=[*LAYOUTS, PLAIN],
        help_text="In the place of the guess.",
    )

    class Meta:
        model = SyncSource
        fields = [
            "is_enabled",
            "interval",
            "hide_vanished",
            "collection",
            "tags",
            "visibility",
            "layout",
            "file_column",
            "caption_column",
        ]


class NewSourceSerializer(SourceChangesSerializer):
    """A source to be followed."""

    address = serializers.CharField(
        max_length=PATH_LENGTH,
        help_text="s3://bucket/prefix, or a folder below that of imports or another allowed place.",
    )

    class Meta(SourceChangesSerializer.Meta):
        fields = ["address", *SourceChangesSerializer.Meta.fields]

    def validate_address(self, address: str) -> str:
        try:
            address = checked_address(address)
        except SyncError as error:
            raise serializers.ValidationError(str(error)) from error
        if SyncSource.objects.filter(address=address).exists():
            raise serializers.ValidationError(gettext("This source is followed already."))
        return address


class SyncedFileSerializer(serializers.ModelSerializer[SyncedFile]):
    """What is known of a file, or of a picture in an archive or table."""

    reason = MessageField(read_only=True, allow_null=True, help_text="Why it was refused.")

    class Meta:
        model = SyncedFile
        fields = [
            "id", "path", "container", "size", "stamp", "sha256", "outcome", "reason", "image",
            "taken_at",
        ]  # fmt: skip
        read_only_fields = fields


class VanishedPictureSerializer(serializers.ModelSerializer[VanishedPicture]):
    class Meta:
        model = VanishedPicture
        fields = ["id", "path", "image", "why", "hidden", "at"]
        read_only_fields = fields


class HiddenSerializer(serializers.Serializer[Any]):
    hidden = serializers.IntegerField(help_text="Pictures that became private.")
