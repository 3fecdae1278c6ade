"""What the search takes and answers, as data. What a query may hold is SearchForm's business."""

import base64
import binascii
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework import serializers

from gallery.api.serializers import ImageSummarySerializer
from gallery.models.image import Split
from search.forms import DEFAULT_PAGE_SIZE, MAX_ID, MAX_OFFSET, MAX_PAGE_SIZE


class PagingSerializer(serializers.Serializer[Any]):
    limit = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_PAGE_SIZE,
        help_text=f"Results on a page; {DEFAULT_PAGE_SIZE} where not given.",
    )
    offset = serializers.IntegerField(
        required=False, min_value=0, max_value=MAX_OFFSET, help_text="Results to pass over."
    )


class SearchParametersSerializer(PagingSerializer):
    """A query. Words (``q``), a picture (``like``, ``image``), or both must be there."""

    q = serializers.CharField(
        required=False, allow_blank=True, help_text="What the pictures should show."
    )
    like = serializers.IntegerField(
        required=False, min_value=1, max_value=MAX_ID, help_text="Id of a picture to find more of."
    )
    unlike = serializers.IntegerField(
        required=False, min_value=1, max_value=MAX_ID, help_text="Id of a picture to find less of."
    )
    without = serializers.CharField(
        required=False, allow_blank=True, help_text="What the pictures should not show."
    )
    weight = serializers.FloatField(
        required=False,
        min_value=0,
        max_value=1,
        help_text="Share of the words where there are words and a picture; 0.5 where not given.",
    )
    collection = serializers.CharField(
        required=False, allow_blank=True, help_text="Only pictures of this collection."
    )
    tag = serializers.CharField(
        required=False, allow_blank=True, help_text="Only pictures with this tag."
    )
    split = serializers.ChoiceField(
        required=False,
        choices=[choice for choice in Split.choices if choice[0]],
        help_text="Only pictures of this part of a data set.",
    )


class Base64FileField(serializers.CharField):
    """The bytes of a file, in base64."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            content = base64.b64decode(super().to_internal_value(data), validate=True)
        except (binascii.Error, ValueError) as error:
            raise serializers.ValidationError("This is not base64.") from error
        return SimpleUploadedFile("picture", content)


class SearchJSONSerializer(SearchParametersSerializer):
    image = Base64FileField(required=False, help_text="The bytes of an example picture, in base64.")


class SearchUploadSerializer(SearchParametersSerializer):
    image = serializers.FileField(required=False, help_text="An example picture.")


class ResultSerializer(serializers.Serializer[Any]):
    score = serializers.FloatField(
        help_text="Cosine similarity, -1 to 1; words against pictures seldom exceed 0.4."
    )
    image = ImageSummarySerializer()


class AnsweredBySerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    fingerprint = serializers.CharField(help_text="Identifies weights and preprocessing.")


class TimingSerializer(serializers.Serializer[Any]):
    encode = serializers.FloatField(help_text="Turning the query into a vector.")
    lookup = serializers.FloatField(help_text="Finding the nearest pictures.")
    records = serializers.FloatField(help_text="Fetching their records.")
    total = serializers.FloatField()


class SearchAnswerSerializer(serializers.Serializer[Any]):
    results = ResultSerializer(many=True)
    model = AnsweredBySerializer()
    index = serializers.IntegerField(help_text="Id of the index that answered.")
    timing_ms = TimingSerializer(help_text="Milliseconds.")
    next = serializers.URLField(
        allow_null=True,
        help_text="The next page, or null: GET it after a GET; after a POST, send it the same "
        "body again.",
    )
    notices = serializers.ListField(
        child=serializers.CharField(), help_text="What to know about this answer, in words."
    )
