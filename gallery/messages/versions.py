"""Of models and indexes: which are live, and which may be deleted."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _

MESSAGES: dict[str, Sentence] = {
    "model.kept": _("Nothing was deleted. %(reason)s"),
    "model.is_live": _("%(model)s is live."),
    "model.was_live": _(
        "%(model)s was live before: it is part of the history, and may be gone back to."
    ),
    "model.has_children": _("Other models were trained from %(model)s or share its vectors."),
    "model.in_job": _("%(job)s uses %(model)s. Cancel it or wait for its end."),
    "model.came_into_use": _("Nothing was deleted: %(model)s came into use."),
    "promotion.is_live": _("%(model)s is live already."),
    "promotion.other_reason": _(
        "%(job)s promotes %(model)s already, without this reason. Cancel that job first, or wait "
        "for its end and promote the model again."
    ),
    "rollback.nothing": _(
        "There is nothing to go back to: no index of the model that was live before is kept."
    ),
    "index.overtaken": _(
        "Another index was made live at the same moment. Look at what is live now and try again if "
        "you still want to change it."
    ),
}
