"""The bias of pictures that come up for everything, from the gallery's own captions."""

import numpy as np
from django.conf import settings

from gallery.jobs.runner import stop_if_asked
from gallery.models import ImageEmbedding, IndexBias, IndexVersion, SquareEmbedding
from gallery.models.square import ENDS
from gallery.selectors import sample_captions
from mlcore.config import FloatMatrix, IdVector
from mlcore.i18n import Message
from mlcore.progress import Progress

BANK = 1_000
"""Captions that pictures are compared with, of a picture each: as many as the relevance model is
fitted on, since how near the nearest are depends on how many there are."""


def keep_bias(index: IndexVersion, progress: Progress) -> None:
    """Make and keep the bias of an index, where its model's relevance was fitted with one."""
    from mlcore.relevance.bias import PictureBias, neighbour_bias

    version = index.model_version
    chosen = version.relevance_model().bias.get("picture")
    if chosen is None:
        return
    said = sample_captions(BANK)
    if not said:
        return
    bank = version.load_encoder().encode_texts([caption.text for caption in said])
    owners = np.array([caption.image_id for caption in said], dtype=np.int64)
    ids: list[IdVector] = []
    values: list[FloatMatrix] = []
    done = 0
    for images, vectors in ImageEmbedding.objects.of_model(version).in_chunks():
        ids.append(images)
        values.append(neighbour_bias(vectors, bank, *chosen, groups=images, bank_groups=owners))
        done += len(images)
        progress.report(done, max(index.count, done), Message("stage.bias"))
        stop_if_asked(progress)
    pictures, biases = np.concatenate(ids), np.concatenate(values)
    if settings.CONTEXTVISION_SQUARES:
        # The score of a wide picture is that of its best square, and so is its bias.
        squares, vectors, _ = SquareEmbedding.objects.of_model(version).matrix(version.dim)
        is_known = np.isin(squares // ENDS, pictures)
        owner, vectors = squares[is_known] // ENDS, vectors[is_known]
        more = neighbour_bias(vectors, bank, *chosen, groups=owner, bank_groups=owners)
        place = np.searchsorted(pictures, owner)
        np.maximum.at(biases, place, more)
    IndexBias.keep(index, PictureBias(*chosen, pictures, biases))
