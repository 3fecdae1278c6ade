"""What evaluations found, and the queries that a team keeps to judge new models by."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gallery.models.fields import MessageField
from gallery.models.image import Image
from gallery.models.job import Job
from gallery.models.version import ModelVersion


class EvaluationManager(models.Manager["Evaluation"]):
    def get_queryset(self) -> "models.QuerySet[Evaluation]":
        # One row for each query: megabytes that a list has no use for.
        return super().get_queryset().defer("outcomes")


class Evaluation(models.Model):
    """One model measured on one set of captioned pictures."""

    model_version = models.ForeignKey(
        ModelVersion,
        verbose_name=_("model version"),
        on_delete=models.CASCADE,
        related_name="evaluations",
    )
    protocol = models.CharField(_("protocol"), max_length=40)
    dataset = MessageField(_("dataset"), help_text=_("What the pictures are called."))
    data_sha256 = models.CharField(
        _("data sha256"), max_length=64, help_text=_("Over pictures and captions.")
    )
    queries = models.PositiveIntegerField(_("queries"))
    gallery = models.PositiveIntegerField(_("pictures in the gallery"))
    metrics = models.JSONField(_("metrics"), default=dict)
    composition = models.JSONField(_("composition"), default=dict, blank=True)
    outcomes = models.JSONField(
        _("outcomes"), default=list, blank=True, help_text=_("What each query found.")
    )
    job = models.ForeignKey(
        Job,
        verbose_name=_("job"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="evaluations",
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = EvaluationManager()

    class Meta:
        verbose_name = _("evaluation")
        verbose_name_plural = _("evaluations")
        ordering = ["-id"]

    def __str__(self) -> str:
        return gettext("%(model)s on %(dataset)s (%(protocol)s)") % {
            "model": self.model_version,
            "dataset": self.dataset,
            "protocol": self.protocol,
        }

    @property
    def is_of_gallery(self) -> bool:
        """Tell whether its pictures are of the gallery: these are named by their ids."""
        return bool(self.dataset.code != "data.folder")


class SavedQuerySet(models.Model):
    """Queries with the pictures that should come back; every new model is run on them."""

    name = models.CharField(_("name"), max_length=120, unique=True)
    description = models.TextField(_("description"), blank=True)
    tolerance = models.FloatField(
        _("tolerance"),
        default=0.02,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text=_("By how much a new model may be worse, 0 to 1."),
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("created by"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("saved query set")
        verbose_name_plural = _("saved query sets")
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                name="query_set_tolerance_is_a_share",
                condition=Q(tolerance__gte=0.0, tolerance__lte=1.0),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SavedQuery(models.Model):
    query_set = models.ForeignKey(
        SavedQuerySet, verbose_name=_("query set"), on_delete=models.CASCADE, related_name="queries"
    )
    text = models.CharField(_("text"), max_length=1000)
    relevant = models.ManyToManyField(
        Image, verbose_name=_("relevant"), related_name="saved_queries"
    )
    order = models.PositiveSmallIntegerField(_("order"), default=0)

    class Meta:
        verbose_name = _("saved query")
        verbose_name_plural = _("saved queries")
        ordering = ["query_set_id", "order", "id"]
        constraints = [
            models.CheckConstraint(name="saved_query_is_not_empty", condition=~Q(text="")),
        ]

    def __str__(self) -> str:
        return self.text
