"""What was read of captions and titles."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from gallery.admin.base import RecordAdmin, thumbnail_of
from gallery.admin.bookkeeping import BookkeepingAdmin
from gallery.models import SentenceChange, SentenceEmbedding, SentenceModel, SentenceReading


@admin.register(SentenceModel)
class SentenceModelAdmin(BookkeepingAdmin[SentenceModel]):
    list_display = ["reference", "fingerprint", "dim", "created_at"]


@admin.register(SentenceEmbedding)
class SentenceEmbeddingAdmin(RecordAdmin[SentenceEmbedding]):
    """Vectors. What is said of a picture is read again where one is removed."""

    list_display = ["id", "thumbnail", "key", "model"]
    list_filter = ["model"]
    list_select_related = ["image", "model"]
    fields = ["image", "key", "model", "digest"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[SentenceEmbedding]:
        return super().get_queryset(request).defer("vector")

    def delete_model(self, request: HttpRequest, obj: SentenceEmbedding) -> None:
        SentenceChange.objects.create(image_id=obj.image_id)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SentenceEmbedding]) -> None:
        pictures = queryset.order_by().values_list("image_id", flat=True).distinct()
        SentenceChange.objects.bulk_create(SentenceChange(image_id=pk) for pk in pictures)
        super().delete_queryset(request, queryset)

    @admin.display(description=_("Picture"))
    def thumbnail(self, embedding: SentenceEmbedding) -> SafeString | str:
        return thumbnail_of(embedding.image)


@admin.register(SentenceChange)
class SentenceChangeAdmin(BookkeepingAdmin[SentenceChange]):
    """Pictures whose captions or title are still to be read."""

    list_display = ["image_id"]


@admin.register(SentenceReading)
class SentenceReadingAdmin(BookkeepingAdmin[SentenceReading]):
    """By which model sentences are read, and until when a worker has that in hand."""

    list_display = ["sentence_model", "lease_until"]
    list_select_related = ["sentence_model"]
