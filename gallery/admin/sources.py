"""Sources that are followed, and the ledger of what is in them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gallery.admin.base import ModelAdmin, link, thumbnail_of
from gallery.admin.bookkeeping import BookkeepingAdmin
from gallery.forms.sources import AddressField
from gallery.models import SyncedFile, SyncSource, VanishedPicture


@admin.register(SyncSource)
class SyncSourceAdmin(ModelAdmin[SyncSource]):
    """Removing one leaves its pictures; its ledger goes. Its address is chosen once: the ledger is
    of what lies there."""

    list_display = ["__str__", "is_enabled", "interval", "collection", "owner", "last_job", "page"]
    list_filter = ["is_enabled", "visibility"]
    list_select_related = ["collection", "owner", "last_job"]
    search_fields = ["address"]
    search_help_text = _("Folder or bucket.")
    autocomplete_fields = ["collection", "owner", "tags"]

    def get_readonly_fields(self, request: HttpRequest, obj: SyncSource | None = None) -> list[str]:
        return ["next_at", "last_job"]

    def get_exclude(self, request: HttpRequest, obj: SyncSource | None = None) -> list[str]:
        return ["address"] if obj else []

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "address":
            return AddressField()
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description=_("Page"))
    def page(self, source: SyncSource) -> SafeString:
        return link(reverse("gallery:source", args=[source.pk]), gettext("Look into it"))


@admin.register(SyncedFile)
class SyncedFileAdmin(BookkeepingAdmin[SyncedFile]):
    list_display = ["path", "source", "outcome", "reason", "thumbnail", "size", "taken_at"]
    list_filter = ["outcome", "source"]
    list_select_related = ["source", "image"]
    search_fields = ["path", "sha256"]
    search_help_text = _("Path or SHA-256.")

    @admin.display(description=_("Picture"))
    def thumbnail(self, file: SyncedFile) -> SafeString | str:
        return thumbnail_of(file.image)


@admin.register(VanishedPicture)
class VanishedPictureAdmin(BookkeepingAdmin[VanishedPicture]):
    list_display = ["path", "source", "why", "hidden", "thumbnail", "at"]
    list_filter = ["why", "hidden", "source"]
    list_select_related = ["source", "image"]
    search_fields = ["path"]

    @admin.display(description=_("Picture"))
    def thumbnail(self, vanished: VanishedPicture) -> SafeString | str:
        return thumbnail_of(vanished.image)
