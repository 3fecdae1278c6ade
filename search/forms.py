"""The one form behind the search page, the search API and the search command."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from gallery.models.image import Split
from gallery.selectors import ImageFilter
from gallery.uploads import query_limits
from mlcore.errors import InvalidQueryError
from mlcore.query import MAX_QUERY_CHARS, normalise_text
from search.services import QueryImage, SearchQuery

MAX_PAGE_SIZE = 100
DEFAULT_PAGE_SIZE = 24
MAX_ID = 2**63 - 1
"""The largest number that the database has for an id."""
MAX_OFFSET = 10_000
"""Results this far down mean nothing any more; asking for them only costs time."""


class QueryTextField(forms.CharField):
    """Words to search by: cleaned, and refused where no model could read them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MAX_QUERY_CHARS, required=False, **options)

    def to_python(self, value: Any) -> str:
        text = super().to_python(value) or ""
        try:
            return normalise_text(text)
        except InvalidQueryError as error:
            raise ValidationError(str(error)) from error


class SearchForm(forms.Form):
    q = QueryTextField(label="Words", help_text="What the pictures should show.")
    image = forms.FileField(label="Picture", required=False, help_text="An example picture.")
    like = forms.IntegerField(
        label="More like",
        required=False,
        min_value=1,
        max_value=MAX_ID,
        help_text="Id of a picture of the gallery.",
    )
    unlike = forms.IntegerField(
        label="Less like",
        required=False,
        min_value=1,
        max_value=MAX_ID,
        help_text="Id of a picture of the gallery.",
    )
    without = QueryTextField(label="Without", help_text="What the pictures should not show.")
    weight = forms.FloatField(
        label="Share of the words",
        required=False,
        min_value=0,
        max_value=1,
        help_text="0 to 1, where words and a picture are both given.",
    )
    collection = forms.CharField(required=False, max_length=120)
    tag = forms.CharField(required=False, max_length=60)
    split = forms.ChoiceField(required=False, choices=Split.choices)
    limit = forms.IntegerField(required=False, min_value=1, max_value=MAX_PAGE_SIZE)
    offset = forms.IntegerField(required=False, min_value=0, max_value=MAX_OFFSET)

    def clean_image(self) -> QueryImage | None:
        upload = self.cleaned_data.get("image")
        if not upload:
            return None
        limits = query_limits()
        if upload.size > limits.max_bytes:
            megabytes = limits.max_bytes // (1024 * 1024)
            raise ValidationError(f"The picture is larger than {megabytes} MB; use a smaller one.")
        return QueryImage(name=upload.name or "picture", data=upload.read())

    def query(self) -> SearchQuery:
        """Turn valid input into a query."""
        data = self.cleaned_data
        weight = data.get("weight")
        return SearchQuery(
            text=data["q"],
            image=data["image"],
            like=(data["like"],) if data.get("like") else (),
            unlike=(data["unlike"],) if data.get("unlike") else (),
            without=data["without"],
            text_weight=0.5 if weight is None else weight,
            where=ImageFilter(collection=data["collection"], tag=data["tag"], split=data["split"]),
            limit=data.get("limit") or DEFAULT_PAGE_SIZE,
            offset=data.get("offset") or 0,
        )
