"""Versions of the model and of the index; one pointer says what is live."""

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Self

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from mlcore.config import ONE_VIEW, VIEWS, Views
from mlcore.errors import IndexMismatchError, ModelUnavailableError

if TYPE_CHECKING:
    from mlcore.encoders import Encoder
    from mlcore.relevance import RelevanceModel


State = Literal["live", "former", "candidate", "known"]


def require_unchanged(reference: str, *, then: str, now: str) -> None:
    """Raise IndexMismatchError where the fingerprint of what a reference names is not the one that
    vectors were made with."""
    if now != then:
        raise IndexMismatchError(
            "model.has_changed", reference=repr(reference), then=then[:8], now=now[:8]
        )


class ModelVersionManager(models.Manager["ModelVersion"]):
    def for_encoder(self, encoder: "Encoder", **fields: object) -> "ModelVersion":
        """Return the row of a loaded model, made on first use; the fingerprint is its identity.

        ``fields`` are those of a new row. Where a known model gives every picture the same vector
        (only words were trained since), its stored vectors are this one's as well.
        """
        from mlcore.encoders import views_of

        version = self.filter(fingerprint=encoder.fingerprint).first()
        if version is not None:
            if not version.image_fingerprint:  # registered before this was kept
                version.image_fingerprint = encoder.image_fingerprint
                version.save(update_fields=["image_fingerprint"])
            return version
        same_pictures = self.filter(
            image_fingerprint=encoder.image_fingerprint, dim=encoder.dim, vectors_from=None
        )
        views = ",".join(views_of(encoder))
        name = encoder.name if views == "centre" else f"{encoder.name} ({views})"
        version, _ = self.get_or_create(
            fingerprint=encoder.fingerprint,
            defaults={
                "name": name,
                "reference": encoder.name,
                "dim": encoder.dim,
                "image_size": encoder.image_size,
                "views": views,
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
    views = models.CharField(
        _("views"),
        max_length=40,
        default="centre",
        help_text=_("What the vector of a picture is made of: the mean of these looks at it."),
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
    relevance = models.JSONField(
        _("relevance"),
        default=dict,
        blank=True,
        help_text=_("What the evidence is worth with this model; empty where it was not fitted."),
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
        permissions = [("export_modelversion", "Can export a model version")]

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
        """Whether it is what CONTEXTVISION_MODEL names, by CONTEXTVISION_VIEWS, or grew out of such
        a one and never is named there.

        A model that was trained here or came in a bundle is made live by a promotion alone.
        """
        named = self.reference == settings.CONTEXTVISION_MODEL
        as_seen = self.views == ",".join(settings.CONTEXTVISION_VIEWS)
        return (named and as_seen) or self.origin != self.Origin.REGISTERED

    @property
    def looks_at(self) -> Views:
        """What it makes the vector of a picture of."""
        return tuple(view for view in VIEWS if view in self.views.split(","))

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

    def relevance_model(self) -> "RelevanceModel":
        """Return what the evidence is worth: fitted on the gallery's captions, else as
        :meth:`stock_relevance_model`."""
        from mlcore.relevance import RelevanceModel

        if self.relevance:
            return RelevanceModel.from_json(self.relevance)
        return self.stock_relevance_model()

    def stock_relevance_model(self) -> "RelevanceModel":
        """Return what the evidence is worth where no captions tell: as shipped with the model, else
        a conservative default for its family."""
        from mlcore.encoders.registry import find_model, model_fingerprint
        from mlcore.relevance import default_model, shipped_model

        shipped = shipped_model(self.fingerprint)
        if shipped is not None:
            return shipped
        try:
            found = find_model(self.reference)
        except ModelUnavailableError:
            return default_model("")
        if self.looks_at != ONE_VIEW:
            # More views move the cosines little: what they are worth was fitted for one.
            shipped = shipped_model(model_fingerprint(found))
        if shipped is not None:
            encoders = {**shipped.encoders, "picture": self.fingerprint}
            return replace(shipped, encoders=encoders)
        return default_model(found.family.name)

    def load_encoder(self) -> "Encoder":
        """Load this model; the process keeps one copy of it.

        Raises:
            ModelUnavailableError: it cannot be had.
            IndexMismatchError: what stands at its reference now is another model.
        """
        from mlcore.encoders import shared_encoder

        options = settings.CONTEXTVISION_RUNTIME_OPTIONS
        encoder = shared_encoder(self.reference, options=options, views=self.looks_at)
        require_unchanged(self.reference, then=self.fingerprint, now=encoder.fingerprint)
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
    """One index of the stored vectors of a model, in one of the stores of ``gallery.vectors``."""

    model_version = models.ForeignKey(
        ModelVersion,
        verbose_name=_("model version"),
        on_delete=models.PROTECT,
        related_name="index_versions",
    )
    store = models.CharField(
        _("store"), max_length=32, help_text=_("The kind of place in which it is kept.")
    )
    location = models.CharField(
        _("location"), max_length=100, unique=True, help_text=_("Its name in that place.")
    )
    count = models.PositiveBigIntegerField(_("vectors"))
    watermark = models.PositiveBigIntegerField(
        _("watermark"),
        help_text=_(
            "Embedding rows up to this id are in the index; later ones are searched beside."
        ),
    )
    sentence_model = models.ForeignKey(
        "gallery.SentenceModel",
        verbose_name=_("sentence model"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="index_versions",
        help_text=_(
            "The model of the captions and titles in the index; nothing where it has none."
        ),
    )
    sentence_count = models.PositiveBigIntegerField(_("sentences"), default=0)
    sentence_watermark = models.PositiveBigIntegerField(
        _("sentence watermark"),
        default=0,
        help_text=_("As the watermark, of the rows of captions and titles."),
    )
    square_count = models.PositiveBigIntegerField(
        _("squares"), default=0, help_text=_("Vectors of the ends of wide and tall pictures.")
    )
    square_watermark = models.PositiveBigIntegerField(
        _("square watermark"), default=0, help_text=_("As the watermark, of the rows of squares.")
    )
    manifest = models.JSONField(_("manifest"), default=dict)
    is_active = models.BooleanField(_("is active"), default=False, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    activated_at = models.DateTimeField(_("activated at"), null=True, blank=True, editable=False)
    damaged_at = models.DateTimeField(
        _("found damaged"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("When its files were found missing or damaged; a worker builds others then."),
    )

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

    def note_damage(self) -> None:
        """Note that its files cannot be read, for maintenance to build others."""
        IndexVersion.objects.filter(pk=self.pk, damaged_at=None).update(damaged_at=timezone.now())

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
