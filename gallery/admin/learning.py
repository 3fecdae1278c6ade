"""Evaluations, query sets, and the history of what went live."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gallery.admin.base import RecordAdmin, TabularInline, link
from gallery.models import Evaluation, JobMetric, Promotion, SavedQuery, SavedQuerySet
from gallery.services import query_sets


@admin.register(Evaluation)
class EvaluationAdmin(RecordAdmin[Evaluation]):
    list_display = [
        "id", "model_version", "protocol", "dataset", "queries", "gallery", "hit_rate",
        "created_at", "report",
    ]  # fmt: skip
    list_filter = ["protocol", "model_version", "created_at"]
    list_select_related = ["model_version"]
    search_fields = ["dataset", "model_version__name"]
    fields = [
        "model_version", "protocol", "dataset", "data_sha256", "queries", "gallery", "metrics",
        "composition", "job", "created_at", "report",
    ]  # fmt: skip

    @admin.display(description=_("Hit rate at 5"))
    def hit_rate(self, evaluation: Evaluation) -> str:
        value = (evaluation.metrics.get("text_to_image") or {}).get("hit_rate@5")
        return "–" if value is None else number_format(value, 3)

    @admin.display(description=_("Report"))
    def report(self, evaluation: Evaluation) -> SafeString:
        address = reverse("gallery:evaluation", args=[evaluation.pk])
        return link(address, gettext("Report"))


@admin.register(Promotion)
class PromotionAdmin(RecordAdmin[Promotion]):
    """History: it is only read."""

    list_display = [
        "kind", "model_version", "former_model", "created_by", "created_at", "override_reason",
    ]  # fmt: skip
    list_filter = ["kind", "created_at"]
    list_select_related = ["model_version", "former_model", "created_by"]

    def has_delete_permission(self, request: HttpRequest, obj: Promotion | None = None) -> bool:
        return False


class SavedQueryInline(TabularInline[SavedQuery, SavedQuerySet]):
    model = SavedQuery
    fields = ["text", "pictures"]
    readonly_fields = ["text", "pictures"]
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[SavedQuery]:
        return super().get_queryset(request).prefetch_related("relevant")

    @admin.display(description=_("Pictures that should come back"))
    def pictures(self, query: SavedQuery) -> str:
        return ", ".join(str(image.pk) for image in query.relevant.all())


@admin.register(SavedQuerySet)
class SavedQuerySetAdmin(RecordAdmin[SavedQuerySet]):
    """Looked at here; written on the page for it, which shows the pictures."""

    list_display = ["name", "tolerance", "queries", "created_by", "created_at", "edit"]
    list_select_related = ["created_by"]
    search_fields = ["name", "queries__text"]
    inlines = [SavedQueryInline]
    service_records = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[SavedQuerySet]:
        return super().get_queryset(request).annotate(query_count=Count("queries"))

    def delete_model(self, request: HttpRequest, obj: SavedQuerySet) -> None:
        query_sets.delete(obj)

    @admin.display(description=_("Queries"), ordering="query_count")
    def queries(self, query_set: Any) -> int:
        return int(query_set.query_count)

    @admin.display(description=_("Edit"))
    def edit(self, query_set: SavedQuerySet) -> SafeString:
        address = reverse("gallery:query-set", args=[query_set.pk])
        return link(address, gettext("Edit"))


@admin.register(SavedQuery)
class SavedQueryAdmin(RecordAdmin[SavedQuery]):
    list_display = ["text", "query_set"]
    list_filter = ["query_set"]
    search_fields = ["text"]

    def has_delete_permission(self, request: HttpRequest, obj: SavedQuery | None = None) -> bool:
        # A set needs a query, which only its own page sees to; with the set, they go as well.
        return request.path.startswith(reverse("admin:gallery_savedqueryset_changelist"))


@admin.register(JobMetric)
class JobMetricAdmin(RecordAdmin[JobMetric]):
    list_display = ["job", "step", "epoch", "created_at"]
    list_select_related = ["job"]
