"""What the evidence is worth with a model, fitted on what people wrote about the gallery."""

import logging
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from django.conf import settings

from gallery.fulltext.rows import language
from gallery.models import Caption, ImageEmbedding, ModelVersion
from gallery.models.sentence import sentences_of
from gallery.pipelines.captioned import not_learnt_from
from mlcore.encoders.sentences import shared_sentence_encoder
from mlcore.errors import ContextVisionError, RelevanceError
from mlcore.i18n import Message
from mlcore.progress import Progress

logger = logging.getLogger(__name__)


def fit_first(version: ModelVersion, progress: Progress) -> None:
    """Fit and keep a model's relevance, where that was not done yet.

    It is done once, at the first index that is built of enough captioned pictures; until then the
    weights that come with the model stand in, or conservative ones. What goes wrong is logged: an
    index is built all the same.
    """
    if version.relevance:
        return
    try:
        fitted = _fitted(version, progress)
    except RelevanceError as error:
        # In words: a record of an exception keeps all that its callers hold, a model among it.
        logger.info("%s: %s", version, str(error))
    except ContextVisionError as error:
        logger.warning("The evidence of %s is not weighed: %s", version, str(error))
    else:
        version.relevance = fitted
        version.save(update_fields=["relevance"])


def _fitted(version: ModelVersion, progress: Progress) -> dict[str, object]:
    from mlcore.relevance.fitting import LEAST_PICTURES, fit_on_captions

    chosen = _chosen(version)
    if len(chosen) < LEAST_PICTURES:
        raise RelevanceError("relevance.too_few", pictures=len(chosen), least=LEAST_PICTURES)
    progress.report(0, 3, Message.of("stage.fitting_relevance", count=len(chosen)))
    options = settings.CONTEXTVISION_RUNTIME_OPTIONS
    encoder = version.load_encoder()
    sentences = shared_sentence_encoder(settings.CONTEXTVISION_SENTENCE_MODEL, options=options)
    ids, vectors, _ = ImageEmbedding.objects.of_model(version).filter(image_id__in=chosen).matrix()
    texts = defaultdict(list)
    for said in sentences_of(chosen):
        texts[said.image_id].append(said.text)
    model = fit_on_captions(
        np.ascontiguousarray(vectors),
        [texts[pk] for pk in ids.tolist()],
        encoder.encode_texts,
        sentences.encode_texts,
        language(),
        encoders={"picture": encoder.fingerprint, "caption": sentences.fingerprint},
        biased=["picture"],
    )
    return model.to_json()


def _chosen(version: ModelVersion) -> Sequence[int]:
    """Choose captioned pictures that have a vector, evenly; of what a model learnt from, none.

    What comes with the program learnt from the train split of a well-known data set.
    """
    from mlcore.relevance import shipped_model
    from mlcore.relevance.fitting import MOST_PICTURES

    rows = Caption.objects.filter(image__embeddings__model_version=version.vectors_version_id)
    ids = sorted(set(rows.values_list("image_id", flat=True)))
    is_shipped = shipped_model(version.fingerprint) is not None
    if is_shipped or version.origin == ModelVersion.Origin.TRAINED:
        unlearnt = not_learnt_from()
        ids = [pk for pk in ids if pk in unlearnt]
    step = max(1.0, len(ids) / MOST_PICTURES)
    return [ids[int(at * step)] for at in range(min(len(ids), MOST_PICTURES))]
