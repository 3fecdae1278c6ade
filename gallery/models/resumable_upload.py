"""Files that arrive in parts, because they are large or the connection is poor."""

import uuid
from pathlib import Path

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class ResumableUpload(models.Model):
    """A file on its way in. How much of it has arrived is the size of what lies on the disk."""

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        on_delete=models.CASCADE,
        related_name="resumable_uploads",
    )
    name = models.CharField(
        _("name"), max_length=200, help_text=_("What the sender calls it, made harmless.")
    )
    size = models.PositiveBigIntegerField(_("size in bytes"))
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("resumable upload")
        verbose_name_plural = _("resumable uploads")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> Path:
        """In a folder of its own, so that it keeps its name whatever others are called."""
        return Path(settings.TRANSFER_DIR) / self.id.hex / self.name

    @property
    def offset(self) -> int:
        """Bytes that have arrived."""
        return self.path.stat().st_size

    @property
    def is_complete(self) -> bool:
        return self.offset == self.size
