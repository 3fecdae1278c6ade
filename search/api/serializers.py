"""What the search takes and answers, as data. What a query may hold is SearchForm's business."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from gallery.api.serializers import ImageSummarySerializer
from gallery.api.strict import StrictSerializer
from mlcore.relevance import NAMES
from mlcore.words import FIELDS
from search.filters import FILTERS, Filter
from search.parameters import MAX_ID, MAX_PARTS, PARAMETERS, Parameter
from search.relevance import SAME, WHOLE


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
                raise serializers.ValidationError(
                    gettext("This is neither text nor a list of texts.")
                )
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


class TextsField(PartsField):
    """Values of a filter that may be given several times."""


def _parameter_field(declared: Parameter) -> serializers.Field[Any, Any, Any, Any]:
    match declared.kind:
        case "words":
            return PartsField(required=False, help_text=declared.help)
        case "pictures":
            return PicturesField(required=False, help_text=declared.help)
        case "choice":
            return serializers.ChoiceField(
                required=False, choices=list(declared.choices), help_text=declared.help
            )
        case kind:
            field = serializers.FloatField if kind == "share" else serializers.IntegerField
            return field(
                required=False,
                min_value=declared.least,
                max_value=declared.most,
                help_text=declared.help,
            )


def _filter_field(declared: Filter) -> serializers.Field[Any, Any, Any, Any]:
    if declared.is_many:
        return TextsField(required=False, help_text=declared.help)
    if declared.choices:
        choices = list(declared.choices)
        return serializers.ChoiceField(required=False, choices=choices, help_text=declared.help)
    return serializers.CharField(required=False, allow_blank=True, help_text=declared.help)


class PagingSerializer(serializers.Serializer[Any]):
    """Which of the results are answered."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        paging = (each for each in PARAMETERS.values() if each.is_paging)
        return {**super().get_fields(), **{each.name: _parameter_field(each) for each in paging}}


class SearchParametersSerializer(StrictSerializer):
    """A query. Words (``q``, or by a filter), a picture (``like``, ``image``), or both must be
    there."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        given = getattr(self, "initial_data", None)
        # Of some twenty fields a search asks for one or two; without data there are all of them.

        def is_built(name: str) -> bool:
            return not isinstance(given, Mapping) or name in given

        return {
            **{name: _parameter_field(each) for name, each in PARAMETERS.items() if is_built(name)},
            **{name: _filter_field(each) for name, each in FILTERS.items() if is_built(name)},
            **super().get_fields(),
        }


class Base64FileField(serializers.CharField):
    """The bytes of a file, in base64."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            content = base64.b64decode(super().to_internal_value(data), validate=True)
        except (binascii.Error, ValueError) as error:
            raise serializers.ValidationError(gettext("This is not base64.")) from error
        return SimpleUploadedFile("picture", content)


class SearchJSONSerializer(SearchParametersSerializer):
    image = Base64FileField(required=False, help_text="The bytes of an example picture, in base64.")


class SearchUploadSerializer(SearchParametersSerializer):
    image = serializers.FileField(required=False, help_text="An example picture.")


class EvidenceSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(
        choices=(*NAMES, WHOLE, SAME),
        help_text="`picture`: how it looks. `caption`: what its nearest caption, or its title, "
        "means. `words`: words that are written on it. `whole`: a title, caption, tag or file name "
        "is just what was asked. `same`: it is the example picture "
        "itself, though one of them may be resized, compressed, mirrored, turned or cropped.",
    )
    log_odds = serializers.FloatField(help_text="What it adds; less than 0 speaks against it.")
    caption = serializers.IntegerField(allow_null=True, help_text="Id of the nearest caption.")
    fields = serializers.ListField(  # type: ignore[assignment]  # a name that answers want
        child=serializers.ChoiceField(choices=FIELDS), help_text="Where words were found."
    )
    terms = serializers.ListField(
        child=serializers.CharField(), help_text="Words of the query that were found."
    )


class ResultSerializer(serializers.Serializer[Any]):
    relevance = serializers.FloatField(
        help_text="Probability that the picture is what was asked for, 0 to 1. It can be compared "
        "between searches and models."
    )
    is_strong = serializers.BooleanField(help_text="Whether it is a strong match.")
    similarity = serializers.FloatField(
        allow_null=True,
        help_text="Cosine similarity of query and picture, -1 to 1, to be compared within one "
        "search only; null where only words were compared.",
    )
    evidence = EvidenceSerializer(many=True, help_text="Why, what speaks most for it first.")
    image = ImageSummarySerializer()


class AnsweredBySerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    fingerprint = serializers.CharField(help_text="Identifies weights and preprocessing.")


class TimingSerializer(serializers.Serializer[Any]):
    encode = serializers.FloatField(help_text="Turning the query into a vector.")
    lookup = serializers.FloatField(help_text="Finding the nearest pictures.")
    records = serializers.FloatField(help_text="Fetching their records.")
    total = serializers.FloatField()


class NoticeSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="For programs: it stays the same in every language.")
    text = serializers.CharField(help_text="For people.")


class OfferSerializer(NoticeSerializer):
    url = serializers.URLField(help_text="That search: GET it.")


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
    searched = serializers.IntegerField(
        help_text="Pictures among which was searched: those that the filters let through."
    )
    strong = serializers.IntegerField(help_text="Strong matches, on all pages; they come first.")
    notices = NoticeSerializer(many=True, help_text="What to know about this answer.")
    offers = OfferSerializer(
        many=True, help_text="Searches that may say better what was meant; as on the page."
    )
