"""What is taken from the cosines of pictures that come up for everything."""

from typing import TYPE_CHECKING

import numpy as np
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gallery.models.version import IndexVersion

if TYPE_CHECKING:
    from mlcore.relevance.bias import PictureBias

_IDS, _VALUES = "<i8", "<f4"
"""int64 and float32, little-endian, whatever machine reads them."""


class IndexBias(models.Model):
    """The bias of each picture of one index; see :mod:`mlcore.relevance.bias`.

    It is made with the index and never changes, as the index does not.
    """

    index = models.OneToOneField(
        IndexVersion,
        verbose_name=_("index version"),
        primary_key=True,
        on_delete=models.CASCADE,
        related_name="bias",
    )
    k = models.PositiveIntegerField(_("nearest sentences"))
    alpha = models.FloatField(_("share of their mean"))
    images = models.BinaryField(_("images"))
    values = models.BinaryField(_("values"))

    class Meta:
        verbose_name = _("bias of an index")
        verbose_name_plural = _("biases of indexes")

    def __str__(self) -> str:
        return gettext("Bias of index %(index)s") % {"index": self.index_id}

    @classmethod
    def keep(cls, index: IndexVersion, bias: "PictureBias") -> None:
        """Write down the bias of an index."""
        cls.objects.create(
            index=index,
            k=bias.k,
            alpha=bias.alpha,
            images=bias.ids.astype(_IDS).tobytes(),
            values=bias.values.astype(_VALUES).tobytes(),
        )

    @classmethod
    def of(cls, index: IndexVersion) -> "PictureBias | None":
        """Read the bias of an index; None where it has none."""
        from mlcore.relevance.bias import PictureBias

        row = cls.objects.filter(index=index).first()
        if row is None:
            return None
        return PictureBias(
            row.k,
            row.alpha,
            np.frombuffer(bytes(row.images), dtype=_IDS),
            np.frombuffer(bytes(row.values), dtype=_VALUES),
        )
