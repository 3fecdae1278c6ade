"""Folders and buckets that are followed: what is in them, and what became of each file."""

from datetime import timedelta
from pathlib import PurePosixPath
from typing import Self

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from gallery.models.choices import Visibility
from gallery.models.fields import MessageField
from gallery.models.image import Collection, Image, Tag
from gallery.models.job import Job

PATH_LENGTH = 600
"""Characters kept of a file's path: an index of PostgreSQL holds no more than some 2,700 bytes."""


def sync_roots() -> list[str]:
    """Return the places that operators may follow: the imports folder, and those of the settings.

    Folders are told by their absolute paths, prefixes of buckets as s3://bucket/prefix.
    """
    return [str(settings.IMPORT_DIR), *settings.CONTEXTVISION_SYNC_ROOTS]


class SyncSourceQuerySet(models.QuerySet["SyncSource"]):
    def due(self) -> Self:
        """Keep those whose next pass should have begun, by the clock of the database."""
        return self.filter(is_enabled=True, next_at__lte=Now())


class SyncSource(models.Model):
    """A folder or bucket whose pictures are taken in as they come."""

    MIN_INTERVAL = 10
    """Seconds between two looks at a source; workers look for what is due every ten."""

    address = models.CharField(
        _("address"),
        max_length=PATH_LENGTH,
        unique=True,
        help_text=_("A folder of the server, or s3://bucket/prefix."),
    )
    is_enabled = models.BooleanField(
        _("followed"), default=True, help_text=_("Workers look into it by themselves.")
    )
    interval = models.PositiveIntegerField(
        _("seconds between two looks"), default=60, validators=[MinValueValidator(MIN_INTERVAL)]
    )
    hide_vanished = models.BooleanField(
        _("hide vanished pictures"),
        default=False,
        help_text=_(
            "Pictures that are in it no more become private. They are never deleted, and are "
            "shown again when they come back."
        ),
    )
    collection = models.ForeignKey(
        Collection,
        verbose_name=_("collection"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="sync_sources",
    )
    tags = models.ManyToManyField(
        Tag, verbose_name=_("tags"), blank=True, related_name="sync_sources"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="sync_sources",
    )
    visibility = models.CharField(
        _("visibility"), max_length=10, choices=Visibility, default=Visibility.PUBLIC
    )
    layout = models.CharField(
        _("layout"), max_length=20, blank=True, help_text=_("Empty where the guess is right.")
    )
    file_column = models.CharField(_("column of the files"), max_length=100, blank=True)
    caption_column = models.CharField(_("column of the captions"), max_length=100, blank=True)
    fingerprint = models.CharField(
        _("fingerprint"),
        max_length=64,
        blank=True,
        editable=False,
        help_text=_("Of its listing when all of it had been taken in."),
    )
    next_at = models.DateTimeField(_("next look"), default=timezone.now, editable=False)
    last_job = models.ForeignKey(
        Job,
        verbose_name=_("last look"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        editable=False,
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = SyncSourceQuerySet.as_manager()

    class Meta:
        verbose_name = _("source")
        verbose_name_plural = _("sources")
        ordering = ["address"]

    def __str__(self) -> str:
        """Its address as people see it: below the place of the settings that it is in, since
        where that is on the server is nobody's business."""
        for root in sync_roots():
            if f"{self.address}/".startswith(f"{root}/") and not root.startswith("s3://"):
                return f"{PurePosixPath(root).name}{self.address.removeprefix(root)}"
        return self.address if self.address.startswith("s3://") else self.label

    @property
    def label(self) -> str:
        """The last part of its address, which names it in the ledger of failures."""
        return self.address.rpartition("/")[2]

    @property
    def job_key(self) -> str:
        """Of its passes, of which one runs at a time."""
        return f"sync {self.pk}"

    def postpone(self) -> bool:
        """Put the next look off by the interval; tell whether nobody else has done so."""
        next_at = Now() + timedelta(seconds=self.interval)
        due = SyncSource.objects.due().filter(pk=self.pk)
        return bool(due.update(next_at=next_at))


class SyncedFile(models.Model):
    """The ledger of a source: a row for each file that is in it, and for each picture in one of
    its archives or tables."""

    class Outcome(models.TextChoices):
        ADDED = "added", _("Added")
        KNOWN = "known", _("Already there")
        REFUSED = "refused", _("Refused")
        LISTING = "listing", _("Read for what it says")
        UNUSED = "unused", _("Not used")

    source = models.ForeignKey(
        SyncSource, verbose_name=_("source"), on_delete=models.CASCADE, related_name="files"
    )
    path = models.CharField(_("path"), max_length=PATH_LENGTH)
    container = models.CharField(
        _("archive or table"),
        max_length=PATH_LENGTH,
        blank=True,
        help_text=_("The file that holds it; empty where it is a file itself."),
    )
    size = models.PositiveBigIntegerField(_("size in bytes"))
    stamp = models.CharField(_("time of change or ETag"), max_length=100)
    words = models.CharField(
        _("digest of what is said of it"), max_length=16, blank=True, editable=False
    )
    sha256 = models.CharField(_("SHA-256"), max_length=64, blank=True)
    outcome = models.CharField(_("outcome"), max_length=8, choices=Outcome)
    reason = MessageField(_("reason"), null=True, blank=True)
    image = models.ForeignKey(
        Image,
        verbose_name=_("picture"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="synced_files",
    )
    brought = models.BooleanField(
        _("brought by this source"),
        default=False,
        help_text=_("Only such a picture is hidden when its file vanishes."),
    )
    taken_at = models.DateTimeField(_("taken at"), auto_now=True)

    class Meta:
        verbose_name = _("file of a source")
        verbose_name_plural = _("files of sources")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["source", "path"], name="synced_file_is_listed_once"),
        ]
        indexes = [
            models.Index(
                fields=["source", "container"],
                name="synced_file_container",
                condition=~Q(container=""),
            ),
        ]

    def __str__(self) -> str:
        return self.path


class VanishedPictureQuerySet(models.QuerySet["VanishedPicture"]):
    def to_hide(self) -> Self:
        """Keep those that everybody sees and that no source holds: neither what was here before
        its source brought it, nor what another one has."""
        mine = self.filter(brought=True, image__visibility=Visibility.PUBLIC)
        return mine.filter(image__synced_files=None)


class VanishedPicture(models.Model):
    """A picture that was in a source and is in it no more."""

    class Why(models.TextChoices):
        GONE = "gone", _("The file is gone")
        REPLACED = "replaced", _("The file holds something else")

    source = models.ForeignKey(
        SyncSource, verbose_name=_("source"), on_delete=models.CASCADE, related_name="vanished"
    )
    image = models.ForeignKey(
        Image, verbose_name=_("picture"), on_delete=models.CASCADE, related_name="vanished_from"
    )
    path = models.CharField(_("path"), max_length=PATH_LENGTH)
    why = models.CharField(_("why"), max_length=8, choices=Why)
    brought = models.BooleanField(_("brought by this source"), default=False)
    hidden = models.BooleanField(
        _("hidden"), default=False, help_text=_("It was made private for this.")
    )
    at = models.DateTimeField(_("noticed at"), auto_now_add=True)

    objects = VanishedPictureQuerySet.as_manager()

    class Meta:
        verbose_name = _("vanished picture")
        verbose_name_plural = _("vanished pictures")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["source", "image"], name="picture_vanished_once"),
        ]

    def __str__(self) -> str:
        return self.path
