"""What the search takes and answers, as data. What a query may hold is SearchForm's business."""

import base64
import binascii
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from gallery.api.serializers import ImageSummarySerializer
from gallery.models.image import Colour, Orientation, Split
from search.forms import MAX_ID, MAX_OFFSET, MAX_PAGE_SIZE
from search.query import DEFAULT_PAGE_SIZE, MAX_PARTS


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


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}, "maxItems": MAX_PARTS},
        ]
    }
)
class PartsField(serializers.Field[Any, Any, Any, Any]):
    """One part of a query or several, as the form takes them; the form judges what they hold."""

    def get_value(self, dictionary: Any) -> Any:
        if hasattr(dictionary, "getlist"):
            return dictionary.getlist(self.field_name) or serializers.empty
        return super().get_value(dictionary)

    def to_internal_value(self, data: Any) -> list[str]:
        values = data if isinstance(data, list) else [data]
        for value in values:
            if isinstance(value, bool) or not isinstance(value, str | int):
                raise serializers.ValidationError("This is neither text nor a list of texts.")
        return [str(value) for value in values]


@extend_schema_field(
    {
        "oneOf": [
            {"type": "integer", "minimum": 1, "maximum": MAX_ID},
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}, "maxItems": MAX_PARTS},
        ]
    }
)
class PicturesField(PartsField):
    """Ids of pictures, each alone or with a weight."""


_WEIGHED = "Several may be given, each with a weight behind a caret: `{example}^2`."


class SearchParametersSerializer(PagingSerializer):
    """A query. Words (``q``), a picture (``like``, ``image``), or both must be there."""

    q = PartsField(
        required=False,
        help_text="What the pictures should show. " + _WEIGHED.format(example="two dogs"),
    )
    like = PicturesField(
        required=False,
        help_text="Id of a picture to find more of. " + _WEIGHED.format(example="17"),
    )
    unlike = PicturesField(
        required=False,
        help_text="Id of a picture to find less of. " + _WEIGHED.format(example="17"),
    )
    without = PartsField(
        required=False,
        help_text="What the pictures should not show. " + _WEIGHED.format(example="snow"),
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
    orientation = serializers.ChoiceField(
        required=False,
        choices=Orientation.choices,
        help_text="Only pictures that lie this way; within a twentieth of a square it is one.",
    )
    colour = serializers.ChoiceField(
        required=False,
        choices=Colour.choices,
        help_text="Only pictures of which this colour stands out.",
    )
    since = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text="Only pictures taken, or else added, from this day, month or year on: "
        "`2024-05-17`, `2024-05` or `2024`.",
    )
    until = serializers.CharField(
        required=False, allow_blank=True, help_text="Likewise, up to its last day."
    )
    uploader = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text="Only pictures that this user uploaded; who is not staff finds his own only.",
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
