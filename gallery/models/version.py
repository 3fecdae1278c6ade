"""Versions of the model and of the index; one pointer says what is live."""

from pathlib import Path
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from mlcore.errors import IndexMismatchError

if TYPE_CHECKING:
    from mlcore.encoder import Encoder
    from mlcore.index import VectorIndex


class ModelVersionManager(models.Manager["ModelVersion"]):
    def for_encoder(self, encoder: "Encoder") -> "ModelVersion":
        """Return the row of a loaded model, made on first use; the fingerprint is its identity."""
        version, _ = self.get_or_create(
            fingerprint=encoder.fingerprint,
            defaults={
                "name": encoder.name,
                "reference": encoder.name,
                "dim": encoder.dim,
                "image_size": encoder.image_size,
            },
        )
        return version


class ModelVersion(models.Model):
    name = models.CharField(max_length=200)
    reference = models.CharField(
        max_length=500, help_text="'starter', a CLIP name on the hub, or a folder."
    )
    fingerprint = models.CharField(
        max_length=64, unique=True, help_text="SHA-256 over weights, config and preprocessing."
    )
    dim = models.PositiveIntegerField("vector width")
    image_size = models.PositiveIntegerField(help_text="Pixels a side that the model looks at.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ModelVersionManager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.fingerprint[:8]})"

    def load_encoder(self) -> "Encoder":
        """Load this model; the process keeps one copy of it.

        Raises:
            ModelUnavailableError: it cannot be had.
            IndexMismatchError: what stands at its reference now is another model.
        """
        from mlcore.shared import shared_encoder

        encoder = shared_encoder(self.reference, device=settings.CONTEXTVISION_DEVICE)
        if encoder.fingerprint != self.fingerprint:
            raise IndexMismatchError(
                f"The model at {self.reference!r} has changed since its vectors were made "
                f"({self.fingerprint[:8]} then, {encoder.fingerprint[:8]} now). Put the former "
                "one back, or run 'manage.py embed' and 'manage.py build_index' for the new one."
            )
        return encoder


class IndexVersionQuerySet(models.QuerySet["IndexVersion"]):
    def active(self) -> "IndexVersion | None":
        return self.filter(is_active=True).select_related("model_version").first()

    def removable(self) -> Self:
        """Keep versions that are neither live nor among the newest that stay for a rollback."""
        newest = self.order_by("-id").values_list("pk", flat=True)
        kept = list(newest[: settings.CONTEXTVISION_KEEP_INDEXES])
        return self.filter(is_active=False).exclude(pk__in=kept)


class IndexVersion(models.Model):
    """One index directory that never changes once written, and the model it belongs to."""

    model_version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, related_name="index_versions"
    )
    directory = models.CharField(max_length=100, unique=True, help_text="Inside the index folder.")
    count = models.PositiveBigIntegerField("vectors")
    watermark = models.PositiveBigIntegerField(
        help_text="Embedding rows up to this id are in the index; later ones are searched beside."
    )
    manifest = models.JSONField(default=dict)
    is_active = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    activated_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = IndexVersionQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_active"], condition=Q(is_active=True), name="one_active_index"
            ),
        ]

    def __str__(self) -> str:
        return f"Index {self.pk}: {self.count} pictures, {self.model_version}"

    @property
    def path(self) -> Path:
        return Path(settings.INDEX_DIR) / self.directory

    def load(self) -> "VectorIndex":
        """Read the index files; damaged, missing or foreign ones are refused."""
        from mlcore.index import VectorIndex

        return VectorIndex.load(self.path, fingerprint=self.model_version.fingerprint)

    def activate(self, *, instead_of: "IndexVersion | None") -> bool:
        """Make this the live index if ``instead_of`` still is; tell whether it was done."""
        with transaction.atomic():
            live = IndexVersion.objects.select_for_update().filter(is_active=True).first()
            if live != instead_of:
                return False
            if live == self:
                return True
            if live is not None:
                IndexVersion.objects.filter(pk=live.pk).update(is_active=False)
            self.is_active = True
            self.activated_at = timezone.now()
            self.save(update_fields=["is_active", "activated_at"])
        return True
