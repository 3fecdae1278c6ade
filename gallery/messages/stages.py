"""Of where a job is."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _
from mlcore.i18n import ngettext_noop as ngettext

MESSAGES: dict[str, Sentence] = {
    "stage.listing": _("Looking what is there"),
    "stage.importing": _("Importing %(layout)s"),
    "stage.embedding": _("Embedding"),
    "stage.embedding_shared": _("Embedding on %(workers)s workers"),
    "stage.out_of_reach": _("Waiting: the pictures are out of reach"),
    "stage.reading_sentences": ngettext(
        "Reading captions and titles: %(count)s so far",
        "Reading captions and titles: %(count)s so far",
    ),
    "stage.fitting_relevance": ngettext(
        "Weighing the evidence on %(count)s captioned picture",
        "Weighing the evidence on %(count)s captioned pictures",
    ),
    "stage.bias": _("Looking for pictures that come up for everything"),
    "stage.reading_vectors": _("Reading vectors"),
    "stage.building_index": ngettext(
        "Building an index of %(count)s picture", "Building an index of %(count)s pictures"
    ),
    "stage.sending_vectors": _("Comparing and sending vectors: %(done)s of %(total)s"),
    "stage.making_live": _("Making it live"),
    "stage.live": _("Live"),
    "stage.asking_saved_queries": _("Asking the saved queries"),
    "stage.writing": _("Writing %(file)s"),
    "stage.placeholders": _("Placeholders"),
    "stage.words": _("Words"),
}
