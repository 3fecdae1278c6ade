"""What the program keeps for itself: only to be looked at."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from gallery.admin.base import M, RecordAdmin
from gallery.models import (
    AuditEvent,
    EmbeddingChunk,
    EmbeddingPlan,
    ImageText,
    IndexBias,
    Lexeme,
    MaintenanceTurn,
    Proposal,
    RecallTally,
    SavedSearch,
    SquareEmbedding,
    StaleText,
)


class BookkeepingAdmin(RecordAdmin[M]):
    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


@admin.register(AuditEvent)
class AuditEventAdmin(BookkeepingAdmin[AuditEvent]):
    """Who did what: only read, here and on its own page."""

    list_display = ["at", "user_name", "code", "words", "object_kind", "object_id", "address"]
    list_filter = ["code", "at"]
    search_fields = ["user_name"]
    search_help_text = _("Name of the account.")

    @admin.display(description=_("What"))
    def words(self, event: AuditEvent) -> str:
        return str(event)


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


@admin.register(ImageText)
class ImageTextAdmin(BookkeepingAdmin[ImageText]):
    """What is written on pictures, cut into words."""

    list_display = ["image_id", "title", "caption", "tag", "file", "made_by"]
    list_filter = ["made_by"]


@admin.register(Lexeme)
class LexemeAdmin(BookkeepingAdmin[Lexeme]):
    """How many pictures hold a word."""

    list_display = ["text", "documents"]
    search_fields = ["text"]


@admin.register(StaleText)
class StaleTextAdmin(BookkeepingAdmin[StaleText]):
    """Pictures whose words are to be read again."""

    list_display = ["image_id"]


@admin.register(IndexBias)
class IndexBiasAdmin(BookkeepingAdmin[IndexBias]):
    """How the bias of an index was made; its numbers are not shown."""

    list_display = ["index", "k", "alpha"]
    list_select_related = ["index__model_version"]
    exclude = ["images", "values"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[IndexBias]:
        return super().get_queryset(request).defer("images", "values")


@admin.register(SquareEmbedding)
class SquareEmbeddingAdmin(BookkeepingAdmin[SquareEmbedding]):
    list_display = ["id", "image", "end", "model_version"]
    list_filter = ["model_version"]
    list_select_related = ["image", "model_version"]
    fields = ["image", "end", "model_version"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[SquareEmbedding]:
        return super().get_queryset(request).defer("vector")


@admin.register(Proposal)
class ProposalAdmin(BookkeepingAdmin[Proposal]):
    """Models that somebody wants to see live; the model's page takes one back."""

    list_display = ["model_version", "created_by", "created_at"]
    list_select_related = ["model_version", "created_by"]
