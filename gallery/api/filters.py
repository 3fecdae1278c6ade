"""What lists can be narrowed down by; a value that makes no sense is refused, not passed over."""

from typing import Any

from django import forms
from django.db.models import BigIntegerField, QuerySet
from django_filters import CharFilter, ChoiceFilter, Filter, FilterSet

from gallery.api.serializers import TITLE_LENGTH
from gallery.models import Evaluation, Failure, Image, Job, SyncedFile
from gallery.models.choices import Split, Visibility

PICTURE_ORDERS = [
    ("-id", "Newest first"),
    ("id", "Oldest first"),
    ("-taken_at", "Latest taken first; pictures without a date are left out"),
    ("taken_at", "Earliest taken first; pictures without a date are left out"),
]


class IdFilter(Filter):  # type: ignore[misc]
    """A whole number that the database has room for."""

    field_class = forms.IntegerField

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, min_value=1, max_value=BigIntegerField.MAX_BIGINT, **options)


class ImageFilterSet(FilterSet):  # type: ignore[misc]
    collection = CharFilter("collection__name", label="Name of a collection.")
    tag = CharFilter("tags__name", label="Name of a tag.")
    split = ChoiceFilter(choices=[choice for choice in Split.choices if choice[0]])
    visibility = ChoiceFilter(choices=Visibility.choices)
    title = CharFilter("title", "icontains", max_length=TITLE_LENGTH, label="Text in the title.")
    ordering = ChoiceFilter(
        choices=PICTURE_ORDERS, method="leave_out_undated", label="Newest first where not given."
    )

    class Meta:
        model = Image
        fields: list[str] = []

    def leave_out_undated(self, images: QuerySet[Image], name: str, value: str) -> QuerySet[Image]:
        # The order itself is the pagination's: it says where the next page begins.
        return images.exclude(taken_at=None) if value.endswith("taken_at") else images


class JobFilterSet(FilterSet):  # type: ignore[misc]
    kind = ChoiceFilter(choices=Job.Kind.choices)
    status = ChoiceFilter(choices=Job.Status.choices)

    class Meta:
        model = Job
        fields: list[str] = []


class FailureFilterSet(FilterSet):  # type: ignore[misc]
    stage = ChoiceFilter(choices=Failure.Stage.choices)
    job = IdFilter("job_id", label="Id of the job in which it failed last.")

    class Meta:
        model = Failure
        fields: list[str] = []


class EvaluationFilterSet(FilterSet):  # type: ignore[misc]
    model = IdFilter("model_version_id", label="Id of the model that was measured.")
    protocol = CharFilter("protocol", label="Name of a protocol.")

    class Meta:
        model = Evaluation
        fields: list[str] = []


class SyncedFileFilterSet(FilterSet):  # type: ignore[misc]
    outcome = ChoiceFilter(choices=SyncedFile.Outcome.choices)

    class Meta:
        model = SyncedFile
        fields: list[str] = []
