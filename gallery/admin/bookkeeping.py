"""What the program keeps for itself: only to be looked at."""

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from gallery.admin.base import M, RecordAdmin
from gallery.models import (
    EmbeddingChunk,
    EmbeddingPlan,
    MaintenanceTurn,
    RecallTally,
    SavedSearch,
)


class BookkeepingAdmin(RecordAdmin[M]):
    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


@admin.register(EmbeddingPlan)
class EmbeddingPlanAdmin(BookkeepingAdmin[EmbeddingPlan]):
    """How far the jobs are that embed."""

    list_display = ["job", "model_version", "embedded", "failed", "total", "created_at"]
    list_select_related = ["job", "model_version"]
    search_fields = ["model_version__name"]
    search_help_text = _("Name of the model.")


@admin.register(EmbeddingChunk)
class EmbeddingChunkAdmin(BookkeepingAdmin[EmbeddingChunk]):
    """What workers have in hand."""

    list_display = ["plan", "first", "last", "done", "worker", "lease_until", "deaths"]
    list_select_related = ["plan"]
    search_fields = ["worker"]
    search_help_text = _("Name of the worker.")


@admin.register(RecallTally)
class RecallTallyAdmin(BookkeepingAdmin[RecallTally]):
    """What the recall meter found in each hour."""

    list_display = ["index_version", "hour", "searches", "wanted", "found"]
    list_filter = ["hour"]


@admin.register(MaintenanceTurn)
class MaintenanceTurnAdmin(BookkeepingAdmin[MaintenanceTurn]):
    list_display = ["taken_at"]


@admin.register(SavedSearch)
class SavedSearchAdmin(RecordAdmin[SavedSearch]):
    """Searches that people have saved; removing one is up to them and to the admin."""

    list_display = ["name", "owner", "created_at"]
    list_select_related = ["owner"]
    search_fields = ["name", "owner__username"]
    search_help_text = _("Name of the search or of its owner.")

    def has_change_permission(self, request: HttpRequest, obj: SavedSearch | None = None) -> bool:
        return False
