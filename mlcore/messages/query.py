"""Of what is searched for."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _
from mlcore.i18n import ngettext_noop as ngettext

MESSAGES: dict[str, Sentence] = {
    "query.nothing": _("Nothing is asked for: give a text or an image to search by."),
    "query.nothing_to_encode": _("Nothing to encode: give --text or --image."),
    "query.cancels_out": _(
        "The parts of the query cancel out, so nothing is left to search by. Change a weight or "
        "take a part away."
    ),
    "query.widths": _(
        "The parts of the query have vectors of different widths. Encode them all with one model."
    ),
    "query.not_one_vector": _(
        "A part of the query needs one vector, but has an array of shape %(shape)s."
    ),
    "query.weight": _("The weight of a part of the query must be a finite number, not %(weight)s."),
    "query.not_unit": _(
        "A part of the query has a vector of length %(length)s instead of 1; it has no direction "
        "to search in."
    ),
    "query.other_width": _(
        "The query is %(width)s wide, but the pictures' vectors have shape %(shape)s. Use one "
        "model for both."
    ),
    "query.half_a_character": _(
        "The query holds half of a surrogate pair, which is not a character. Type it again."
    ),
    "query.too_long": ngettext(
        "The query has %(count)s character; at most %(limit)s can be searched. Shorten it.",
        "The query has %(count)s characters; at most %(limit)s can be searched. Shorten it.",
    ),
}
