"""Pictures, their captions, tags and collections."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from gallery import audit
from gallery.access import ORIGIN, sees_everything
from gallery.admin.base import (
    CONFIRMED,
    RecordAdmin,
    TabularInline,
    WrittenAdmin,
    confirmation,
    counted,
    person,
    queued,
    thumbnail_of,
)
from gallery.admin.versions import may_rebuild_index, rebuild_index
from gallery.forms import UploadForm
from gallery.models import Caption, Collection, Image, ImageEmbedding, Job, Tag
from gallery.models.image import ImageQuerySet
from gallery.selectors import known_collections, known_tags, working_model
from gallery.services import images as service
from gallery.services import jobs
from gallery.views.access import sent_with_files
from gallery.views.upload_page import limits, upload_context

OF_ORIGIN = {"owner", "source", "original", "sha256", "uploader"}
"""Fields for those who may know where a picture came from."""


class CaptionInline(TabularInline[Caption, Image]):
    model = Caption
    extra = 1
    fields = ["order", "text", "source"]


@admin.register(Image)
class ImageAdmin(WrittenAdmin[Image]):
    list_display = [
        "thumbnail", "name", "caption", "collection", "visibility", "dimensions", "created_at",
    ]  # fmt: skip
    list_display_links = ["name"]
    list_filter = ["visibility", "split", "collection", "format", "created_at"]
    list_select_related = ["collection"]
    list_per_page = 50
    search_fields = ["title", "captions__text", "tags__name", "source", "sha256"]
    search_help_text = _("Title, captions, tags, source or SHA-256.")
    autocomplete_fields = ["tags", "collection", "owner"]
    filter_horizontal = ["groups"]
    date_hierarchy = "created_at"
    inlines = [CaptionInline]
    actions = ["embed", rebuild_index]
    readonly_fields = [
        "preview", "original", "sha256", "dimensions", "format", "size", "uploader", "created_at",
    ]  # fmt: skip
    fieldsets = [
        (None, {"fields": ["preview", "title", "tags", "collection"]}),
        (_("Who sees it"), {"fields": ["visibility", "groups", "owner"]}),
        (_("Data set"), {"fields": ["split", "source", "taken_at"]}),
        (_("Origin"), {"fields": ["creator", "credit", "copyright", "place", "camera"]}),
        (_("File"), {"fields": ["original", "format", "dimensions", "size", "sha256"]}),
        (_("History"), {"fields": ["uploader", "created_at"]}),
    ]
    change_list_template = "admin/gallery/image/change_list.html"
    service_records = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Image]:
        # Who may not see a picture elsewhere does not see it here.
        seen = Image.objects.visible_to(person(request)).values("pk")
        rows = super().get_queryset(request).filter(pk__in=seen)
        return rows.prefetch_related("captions")

    def get_fieldsets(self, request: HttpRequest, obj: Image | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if request.user.has_perm(ORIGIN):
            return fieldsets
        told = [
            (title, {"fields": [name for name in options["fields"] if name not in OF_ORIGIN]})
            for title, options in fieldsets
        ]
        return [(title, options) for title, options in told if options["fields"]]

    def has_rebuild_permission(self, request: HttpRequest) -> bool:
        return may_rebuild_index(request)

    def has_embed_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("gallery.add_job")

    @admin.display(description=_("Picture"))
    def thumbnail(self, image: Image) -> SafeString | str:
        return thumbnail_of(image)

    @admin.display(description=_("Name"), ordering="title")
    def name(self, image: Image) -> str:
        return str(image)

    @admin.display(description=_("First caption"))
    def caption(self, image: Image) -> str:
        return image.caption

    @admin.display(description=_("Pixels"), ordering="width")
    def dimensions(self, image: Image) -> str:
        return f"{image.width} × {image.height}"

    @admin.display(description=_("Size"))
    def size(self, image: Image) -> str:
        return filesizeformat(image.bytes)

    @admin.display(description=_("Picture"))
    def preview(self, image: Image) -> SafeString:
        return format_html(
            '<a href="{}"><img class="admin-preview" src="{}" alt="{}"></a>',
            image.get_absolute_url(),
            reverse("gallery:display", args=[image.pk]),
            image.caption or image,
        )

    @admin.display(description=_("Original file"))
    def original(self, image: Image) -> SafeString:
        return format_html(
            '<a href="{}" download>{}</a>',
            reverse("gallery:original", args=[image.pk]),
            gettext("Download"),
        )

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Adding means uploading: many pictures at once, with the form of the upload page."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = UploadForm(*sent_with_files(request), user=person(request))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Upload pictures"),
            "opts": self.opts,
            "form": form,
            **limits(),
            **upload_context(form, person(request)),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/gallery/image/upload.html", context)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if {"visibility", "groups"} & set(form.changed_data):
            image = form.instance
            audit.record_shown([image.pk], image.visibility, image.groups.all())

    def delete_model(self, request: HttpRequest, obj: Image) -> None:
        service.delete_images([obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Image]) -> None:
        service.delete_images(queryset)

    @admin.action(description=_("Embed the selected pictures"), permissions=["embed"])
    def embed(self, request: HttpRequest, queryset: ImageQuerySet) -> HttpResponse | None:
        if CONFIRMED not in request.POST:
            return self._ask_to_embed(request, queryset)
        ids = list(queryset.order_by("pk").values_list("pk", flat=True))
        job = jobs.start(Job.Kind.EMBED, {"images": ids}, user=person(request))
        messages.success(request, queued(job))
        return None

    def _ask_to_embed(self, request: HttpRequest, queryset: ImageQuerySet) -> HttpResponse:
        count, model = queryset.count(), working_model()
        missing = queryset.missing_embeddings(model).count() if model else count
        return confirmation(
            request,
            self,
            title=counted(
                ngettext("Embed %(count)s picture?", "Embed %(count)s pictures?", count), count
            ),
            sentences=[
                counted(
                    ngettext(
                        "%(count)s picture has no vector yet and gets one, in a job. Those that "
                        "have one already are passed over.",
                        "%(count)s pictures have no vector yet and get one, in a job. Those that "
                        "have one already are passed over.",
                        missing,
                    ),
                    missing,
                ),
                gettext("Searches go on meanwhile."),
            ],
            button=gettext("Embed"),
            action="embed",
            selected=queryset,
            name_them=True,
        )


class NamesPictures(WrittenAdmin[Any]):
    """A name that pictures carry, with how many of them do."""

    search_fields = ["name"]
    ordering = ["name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        seen = Image.objects.visible_to(person(request)).values("pk")
        rows: QuerySet[Any] = super().get_queryset(request).filter(pk__in=self.known(request))
        counted: QuerySet[Any] = rows.annotate(
            image_count=Count("images", filter=Q(images__in=seen))
        )
        return counted

    def known(self, request: HttpRequest) -> QuerySet[Any]:
        """Select what this person may know of."""
        if sees_everything(person(request)):
            return super().get_queryset(request).values("pk")
        if self.model is Collection:
            return known_collections(person(request)).values("pk")
        return known_tags(person(request)).values("pk")

    @admin.display(description=_("Pictures"), ordering="image_count")
    def pictures(self, row: Any) -> int:
        return int(row.image_count)


@admin.register(Collection)
class CollectionAdmin(NamesPictures):
    list_display = ["name", "description", "pictures"]


@admin.register(Tag)
class TagAdmin(NamesPictures):
    list_display = ["name", "pictures"]


@admin.register(Caption)
class CaptionAdmin(WrittenAdmin[Caption]):
    list_display = ["text", "thumbnail", "order", "source"]
    list_filter = ["source"]
    list_select_related = ["image"]
    search_fields = ["text"]
    raw_id_fields = ["image"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Caption]:
        seen = Image.objects.visible_to(person(request)).values("pk")
        return super().get_queryset(request).filter(image__in=seen)

    @admin.display(description=_("Picture"))
    def thumbnail(self, caption: Caption) -> SafeString | str:
        return thumbnail_of(caption.image)


@admin.register(ImageEmbedding)
class ImageEmbeddingAdmin(RecordAdmin[ImageEmbedding]):
    """Vectors. One that is removed is made again by the next embedding job."""

    list_display = ["id", "thumbnail", "model_version", "created_at"]
    list_filter = ["model_version", "created_at"]
    list_select_related = ["image", "model_version"]
    fields = ["image", "model_version", "width", "created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ImageEmbedding]:
        return super().get_queryset(request).defer("vector")

    @admin.display(description=_("Picture"))
    def thumbnail(self, embedding: ImageEmbedding) -> SafeString | str:
        return thumbnail_of(embedding.image)

    @admin.display(description=_("Vector width"))
    def width(self, embedding: ImageEmbedding) -> int:
        return embedding.model_version.dim
