"""Versions of the model and of the index; one pointer says what is live."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from mlcore.errors import IndexFileError, IndexMismatchError

if TYPE_CHECKING:
    from mlcore.encoder import Encoder
    from mlcore.index import VectorIndex


State = Literal["live", "former", "candidate", "known"]


class ModelVersionManager(models.Manager["ModelVersion"]):
    def for_encoder(self, encoder: "Encoder", **fields: object) -> "ModelVersion":
        """Return the row of a loaded model, made on first use; the fingerprint is its identity.

        ``fields`` are those of a new row. Where a known model gives every picture the same vector
        (only words were trained since), its stored vectors are this one's as well.
        """
        version = self.filter(fingerprint=encoder.fingerprint).first()
        if version is not None:
            if not version.image_fingerprint:  # registered before this was kept
                version.image_fingerprint = encoder.image_fingerprint
                version.save(update_fields=["image_fingerprint"])
            return version
        same_pictures = self.filter(
            image_fingerprint=encoder.image_fingerprint, dim=encoder.dim, vectors_from=None
        )
        version, _ = self.get_or_create(
            fingerprint=encoder.fingerprint,
            defaults={
                "name": encoder.name,
                "reference": encoder.name,
                "dim": encoder.dim,
                "image_size": encoder.image_size,
                "image_fingerprint": encoder.image_fingerprint,
                "vectors_from": same_pictures.order_by("pk").first(),
                **fields,
            },
        )
        return version


class ModelVersion(models.Model):
    class Origin(models.TextChoices):
        REGISTERED = "registered", _("Named by its reference")
        TRAINED = "trained", _("Trained here")
        IMPORTED = "imported", _("Imported from a bundle")

    name = models.CharField(_("name"), max_length=200)
    reference = models.CharField(
        _("reference"),
        max_length=500,
        help_text=_("'starter', a CLIP name on the hub, or a folder."),
    )
    fingerprint = models.CharField(
        _("fingerprint"),
        max_length=64,
        unique=True,
        help_text=_("SHA-256 over weights, config and preprocessing."),
    )
    dim = models.PositiveIntegerField(_("vector width"))
    image_size = models.PositiveIntegerField(
        _("image size"), help_text=_("Pixels a side that the model looks at.")
    )
    origin = models.CharField(_("origin"), max_length=10, choices=Origin, default=Origin.REGISTERED)
    parent = models.ForeignKey(
        "self",
        verbose_name=_("parent"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="children",
        help_text=_("The model that training started from."),
    )
    recipe = models.JSONField(
        _("recipe"), default=dict, blank=True, help_text=_("How it was trained.")
    )
    data = models.JSONField(
        _("data"), default=dict, blank=True, help_text=_("What it was trained on.")
    )
    verdict = models.JSONField(
        _("verdict"), default=dict, blank=True, help_text=_("What the gate last said about it.")
    )
    image_fingerprint = models.CharField(
        _("image fingerprint"),
        max_length=64,
        blank=True,
        default="",
        db_index=True,
        help_text=_("SHA-256 of all that decides a picture's vector."),
    )
    vectors_from = models.ForeignKey(
        "self",
        verbose_name=_("vectors from"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="shares_vectors_with",
        help_text=_("The model whose stored vectors of pictures are this one's as well."),
    )
    job = models.ForeignKey(
        "gallery.Job",
        verbose_name=_("job"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="trained_models",
        help_text=_("The job that made it."),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = ModelVersionManager()

    class Meta:
        verbose_name = _("model version")
        verbose_name_plural = _("model versions")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.fingerprint[:8]})"

    @property
    def vectors_version(self) -> "ModelVersion":
        """The model under which this one's vectors of pictures are stored; mostly itself."""
        return self.vectors_from or self

    @property
    def vectors_version_id(self) -> int:
        return self.vectors_from_id or self.pk

    @property
    def is_as_set(self) -> bool:
        """Whether it is what CONTEXTVISION_MODEL names, or grew out of it and never is named there.

        A model that was trained here or came in a bundle is made live by a promotion alone.
        """
        named = self.reference == settings.CONTEXTVISION_MODEL
        return named or self.origin != self.Origin.REGISTERED

    @property
    def state(self) -> State:
        """``live``; ``former`` (an index that was live is kept); ``candidate``; or ``known``.

        Uses prefetched ``index_versions`` where there are some.
        """
        indexes = list(self.index_versions.all())
        if any(index.is_active for index in indexes):
            return "live"
        if any(index.activated_at for index in indexes):
            return "former"
        return "known" if self.origin == self.Origin.REGISTERED else "candidate"

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


@cache
def _sql_of_active_id() -> tuple[str, Any]:
    live = IndexVersion.objects.filter(is_active=True).order_by().values_list("pk")
    return live.query.sql_with_params()


class IndexVersionQuerySet(models.QuerySet["IndexVersion"]):
    def active(self) -> "IndexVersion | None":
        return self.filter(is_active=True).select_related("model_version").first()

    def active_id(self) -> int | None:
        """Return which index is live, and no more.

        Every search asks for this, and its words take Django longer than its answer: they are
        worked out once.
        """
        with connection.cursor() as cursor:
            cursor.execute(*_sql_of_active_id())
            row = cursor.fetchone()
        return row[0] if row else None

    def of_vectors(self, model: ModelVersion) -> Self:
        """Keep versions made of the stored vectors of this model, or of one that shares them."""
        owner = model.vectors_version_id
        shared = Q(model_version=owner) | Q(model_version__vectors_from=owner)
        return self.filter(shared).select_related("model_version")

    def previous(self) -> "IndexVersion | None":
        """Return the index that a rollback goes to: the newest of the model that was live before.

        Going back again leads further back, not forth to a model that was given up.
        """
        live = self.active()
        if live is None:
            return None
        others = self.exclude(model_version=live.model_version_id).filter(
            activated_at__isnull=False
        )
        arrival = live.model_version.promotions.filter(kind="promotion").first()
        if arrival is not None:
            others = others.filter(model_version=arrival.former_model_id)
        else:
            others = others.exclude(model_version__promotions__kind="promotion")
        return others.select_related("model_version").order_by("-activated_at").first()

    def removable(self) -> Self:
        """Keep versions that are not among those that stay.

        The live one stays, the one to roll back to, and the newest, as many in all as are set.
        """
        first = [index.pk for index in (self.active(), self.previous()) if index is not None]
        newest = self.order_by("-id").exclude(pk__in=first).values_list("pk", flat=True)
        spare = max(settings.CONTEXTVISION_KEEP_INDEXES - len(first), 0)
        return self.filter(is_active=False).exclude(pk__in=[*first, *newest[:spare]])


class IndexVersion(models.Model):
    """One index of the stored vectors of a model: a directory that never changes once it is
    written, or a version in a vector store."""

    IN_FILES, IN_MILVUS = "files", "milvus"

    model_version = models.ForeignKey(
        ModelVersion,
        verbose_name=_("model version"),
        on_delete=models.PROTECT,
        related_name="index_versions",
    )
    directory = models.CharField(
        _("directory"), max_length=100, unique=True, help_text=_("Inside the index folder.")
    )
    count = models.PositiveBigIntegerField(_("vectors"))
    watermark = models.PositiveBigIntegerField(
        _("watermark"),
        help_text=_(
            "Embedding rows up to this id are in the index; later ones are searched beside."
        ),
    )
    manifest = models.JSONField(_("manifest"), default=dict)
    is_active = models.BooleanField(_("is active"), default=False, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    activated_at = models.DateTimeField(_("activated at"), null=True, blank=True, editable=False)

    objects = IndexVersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("index version")
        verbose_name_plural = _("index versions")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_active"], condition=Q(is_active=True), name="one_active_index"
            ),
        ]

    def __str__(self) -> str:
        return ngettext(
            "Index %(id)s: %(count)s picture, %(model)s",
            "Index %(id)s: %(count)s pictures, %(model)s",
            self.count,
        ) % {"id": self.pk, "count": self.count, "model": self.model_version}

    @property
    def recall_target(self) -> float:
        """Share of the nearest pictures that a search is to find, 0 to 1."""
        return float(self.manifest.get("tuning", {}).get("target", 1.0))

    @property
    def store(self) -> str:
        """Where it is kept; see gallery.stores."""
        return str(self.manifest.get("store", self.IN_FILES))

    @property
    def path(self) -> Path:
        """Its folder, where it is kept in files."""
        return Path(settings.INDEX_DIR) / self.directory

    def load(self) -> "VectorIndex":
        """Read the index files; damaged, missing or foreign ones are refused."""
        from mlcore.index import VectorIndex

        return VectorIndex.load(self.path, fingerprint=self.model_version.fingerprint)

    def check_files(self) -> None:
        """Look at the files without reading them through: they are there and of this model.

        Raises:
            IndexFileError: files are missing or of another size.
            IndexMismatchError: they are of another model.
        """
        from mlcore.index import IndexManifest

        manifest = IndexManifest.read(self.path)
        if manifest.fingerprint != self.model_version.fingerprint:
            raise IndexMismatchError(
                f"The files of {self} were made by another model ({manifest.fingerprint[:8]}). "
                "Build an index for the model that is meant ('manage.py build_index')."
            )
        for name, record in manifest.files.items():
            file = self.path / name
            if not file.is_file() or file.stat().st_size != record.bytes:
                raise IndexFileError(
                    f"{name} of {self} is missing or damaged. Build a new index with "
                    "'manage.py build_index'."
                )

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
