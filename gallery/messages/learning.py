"""Of models: their training, evaluation and promotion, and their indexes."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _

MESSAGES: dict[str, Sentence] = {
    "training.too_few_pictures": _(
        "There are %(train)s captioned pictures to train on, %(validation)s for validation and "
        "%(test)s for the test of the result; at least %(least_train)s, 1 and %(least_test)s are "
        "needed. Add captions to more pictures."
    ),
    "training.no_such_base": _("There is no model %(id)s to start from."),
    "training.cannot_be_set": _("%(fields)s cannot be set; what can: %(known)s."),
    "training.nothing_changed": _(
        "Training has changed nothing: the model is the one it started from. Try a higher learning "
        "rate or more epochs."
    ),
    "evaluation.no_such_choice": _("There is no %(what)s %(value)s; choose one of %(known)s."),
    "evaluation.too_few_to_draw": _(
        "reference-100 draws %(least)s captioned pictures, and there are only %(pictures)s here "
        "(%(source)s). Choose another part, a larger collection, or the protocol karpathy-1k."
    ),
    "promotion.refused": _(
        "%(model)s is not promoted. %(reasons)s It can be promoted all the same with a reason, "
        "which is kept."
    ),
    "promotion.overtaken": _(
        "Another model was made live meanwhile, and this one was not compared with it. Promote it "
        "again if you still want to."
    ),
    "index.no_vectors": _(
        "There are no vectors of %(model)s to index yet. Import or upload pictures and let them be "
        "embedded ('manage.py embed')."
    ),
    "model.has_changed": _(
        "The model at %(reference)s has changed since its vectors were made (%(then)s then, "
        "%(now)s now). Put the former one back, or run 'manage.py embed' and 'manage.py "
        "build_index' for the new one."
    ),
}
