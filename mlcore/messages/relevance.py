"""Of the relevance model."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _

MESSAGES: dict[str, Sentence] = {
    "relevance.other_format": _(
        "The relevance model is of format %(found)s, and this program reads format %(known)s. "
        "Fit it again."
    ),
    "relevance.unreadable": _(
        "%(file)s cannot be read as a relevance model; python -m mlcore fit-relevance writes one."
    ),
    "relevance.malformed": _(
        "The relevance model is damaged: a part of it is missing or is no number. Fit it again."
    ),
    "relevance.not_a_pattern": _(
        "The relevance model weighs evidence that is not known here or not in order: %(present)s. "
        "Fit it again with this version of the program."
    ),
    "relevance.too_few": _(
        "Only %(pictures)s pictures have a caption, and weights of the evidence are fitted on at "
        "least %(least)s. Until then conservative ones are used; add captions, then fit again."
    ),
    "relevance.number_out_of_range": _(
        "The relevance model holds %(number)s where a finite number within its range has to be. "
        "Fit it again."
    ),
}
