"""Pictures and the words that belong to them."""

from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import models
from django.db.models import Q
from django.urls import reverse

if TYPE_CHECKING:
    from gallery.models.version import ModelVersion


GIVE_UP_AFTER = 3
"""Failed attempts at a picture after which it is left alone until a person retries it."""


class Visibility(models.TextChoices):
    PUBLIC = "public", "Public"
    PRIVATE = "private", "Private"


class Split(models.TextChoices):
    """Which part of a data set a picture belongs to; a picture is in one part only."""

    NONE = "", "None"
    TRAIN = "train", "Train"
    VALIDATION = "val", "Validation"
    TEST = "test", "Test"


class Collection(models.Model):
    name = models.CharField(max_length=120, unique=True)
    description = models.TextField(blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Tag(models.Model):
    name = models.CharField(max_length=60, unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ImageQuerySet(models.QuerySet["Image"]):
    def visible_to(self, user: User | AnonymousUser | None) -> Self:
        """Keep what this person may see. Every page, answer and file goes through here."""
        if user is not None and user.is_staff:
            return self
        public = Q(visibility=Visibility.PUBLIC)
        if user is None or not user.is_authenticated:
            return self.filter(public)
        return self.filter(public | Q(owner=user))

    def missing_embeddings(self, version: "ModelVersion") -> Self:
        """Keep what has no vector of this model yet and has not failed for good."""
        without = self.exclude(embeddings__model_version=version)
        # Only a failure of embedding names a picture.
        return without.exclude(failures__attempts__gte=GIVE_UP_AFTER)

    def with_details(self) -> Self:
        """Fetch what a result shows, in a number of queries that does not grow with the rows."""
        return self.select_related("collection").prefetch_related("captions", "tags")


class Image(models.Model):
    """One picture. Its file never changes; the same bytes are stored once."""

    file = models.FileField("original file", max_length=200)
    sha256 = models.CharField("SHA-256 of the file", max_length=64, unique=True, editable=False)
    width = models.PositiveIntegerField(help_text="Pixels, upright.", editable=False)
    height = models.PositiveIntegerField(help_text="Pixels, upright.", editable=False)
    format = models.CharField(max_length=8, editable=False)
    bytes = models.PositiveBigIntegerField("size in bytes", editable=False)
    title = models.CharField(max_length=200, blank=True)
    source = models.CharField(
        max_length=300, blank=True, help_text="Where it came from: a file name or an import path."
    )
    split = models.CharField(max_length=5, choices=Split, default=Split.NONE, blank=True)
    tags = models.ManyToManyField(Tag, blank=True, related_name="images")
    collection = models.ForeignKey(
        Collection, null=True, blank=True, on_delete=models.SET_NULL, related_name="images"
    )
    taken_at = models.DateTimeField(null=True, blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="owned_images",
        help_text="Sees the picture even where it is private.",
    )
    uploader = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="uploaded_images",
        editable=False,
    )
    visibility = models.CharField(
        max_length=8, choices=Visibility, default=Visibility.PUBLIC, db_index=True
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ImageQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="image_sha256_is_hex", condition=Q(sha256__regex=r"^[0-9a-f]{64}$")
            ),
            models.CheckConstraint(
                name="image_has_size", condition=Q(width__gt=0, height__gt=0, bytes__gt=0)
            ),
            models.CheckConstraint(
                name="image_visibility_is_known", condition=Q(visibility__in=Visibility.values)
            ),
            models.CheckConstraint(
                name="image_split_is_known", condition=Q(split__in=Split.values)
            ),
        ]

    def __str__(self) -> str:
        return self.title or f"Picture {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("gallery:image", args=[self.pk])

    @property
    def display_name(self) -> str:
        """Storage name of the re-encoded picture that visitors see."""
        return f"renditions/{self.sha256[:2]}/{self.sha256}-display.webp"

    @property
    def thumbnail_name(self) -> str:
        """Storage name of the small picture that galleries show."""
        return f"renditions/{self.sha256[:2]}/{self.sha256}-thumbnail.webp"

    @property
    def caption(self) -> str:
        """The first caption, or nothing; uses prefetched captions where there are some."""
        captions = list(self.captions.all())
        return captions[0].text if captions else ""


class Caption(models.Model):
    """A sentence that says what a picture shows; training draws one of them per epoch."""

    class Source(models.TextChoices):
        IMPORT = "import", "Data set"
        METADATA = "metadata", "Picture's own metadata"
        PERSON = "person", "Written here"

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="captions")
    text = models.CharField(max_length=1000)
    order = models.PositiveSmallIntegerField(default=0)
    source = models.CharField(max_length=8, choices=Source, default=Source.PERSON)

    class Meta:
        ordering = ["image_id", "order"]
        constraints = [
            models.UniqueConstraint(fields=["image", "order"], name="caption_order_is_unique"),
            models.CheckConstraint(name="caption_is_not_empty", condition=~Q(text="")),
        ]

    def __str__(self) -> str:
        return self.text
