"""Of what came of a job."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _
from mlcore.i18n import ngettext_noop as ngettext

MESSAGES: dict[str, Sentence] = {
    "text.sentences": "%(first)s %(second)s",
    # What release 0.1.0 kept as a sentence
    "text.as_written": "%(text)s",
    "count.pictures": ngettext("%(count)s picture", "%(count)s pictures"),
    "count.captions": ngettext("%(count)s caption", "%(count)s captions"),
    "text.item_reason": "%(item)s: %(reason)s",
    "account.layout": _("taken for"),
    "account.taken_for": "%(layout)s (%(why)s)",
    "account.found": _("found"),
    "account.added": _("added"),
    "account.already_there": _("already there"),
    "account.updated": _("changed"),
    "account.failed": _("failed"),
    "account.captions": _("captions taken"),
    "account.tags": _("tags taken"),
    "account.splits": _("splits"),
    "account.differs": _("otherwise than asked for"),
    "account.passed_over": _("passed over"),
    "account.contradicting_splits": _("here for another split"),
    "account.not_used": _("not used, may hold captions"),
    "account.odd_rows": _("rows that cannot be used"),
    "account.examples": _("examples"),
    "account.notes": _("notes"),
    "account.fact": "%(name)s %(count)s",
    "split.train": _("train"),
    "split.validation": _("validation"),
    "split.test": _("test"),
    "fact.owner": _("owner"),
    "fact.visibility": _("who can see them"),
    "fact.collection": _("collection"),
    "fact.split": _("split"),
    "fact.title": _("title"),
    "outcome.the_model": _("the model"),
    "outcome.facts": "%(facts)s.",
    "outcome.embedded": _("%(pictures)s embedded with %(model)s."),
    "outcome.embedded_some": _("%(pictures)s embedded with %(model)s, %(failed)s failed."),
    "outcome.examined_clean": _("Nothing is missing or damaged."),
    "outcome.examined": _("%(found)s found missing, damaged or left over; %(mended)s mended."),
    "outcome.superseded": _("Another index was made live meanwhile, so this one was put aside."),
    "outcome.indexed": _("Index %(index)s is live with %(pictures)s from %(model)s."),
    "outcome.added": _("%(pictures)s added"),
    "outcome.already_there": _("%(count)s already there"),
    "outcome.restored": _("%(count)s of them with files that were missing"),
    "outcome.refused": _("%(count)s refused"),
    "outcome.captions_read": _("%(captions)s read"),
    "outcome.updated": _("%(count)s changed"),
    "outcome.would_read": _("%(pictures)s with %(captions)s would be read."),
    "outcome.contradicting_splits": _("Here for another split than the data set says: %(names)s."),
    "outcome.not_used": _("Not used, though they may hold captions: %(names)s."),
    "outcome.odd_rows": _("Rows that cannot be used: %(names)s."),
    "outcome.listed": ngettext("%(count)s file is there.", "%(count)s files are there."),
    "outcome.unchanged": _("Nothing has changed."),
    "outcome.vanished": ngettext(
        "%(count)s picture is there no more.", "%(count)s pictures are there no more."
    ),
    "outcome.replaced": ngettext(
        "The file of %(count)s picture holds something else now.",
        "The files of %(count)s pictures hold something else now.",
    ),
    "outcome.hidden": ngettext(
        "%(count)s vanished picture was hidden.", "%(count)s vanished pictures were hidden."
    ),
    "outcome.growing": _("Still being written, so left for the next look: %(names)s."),
    "outcome.waits_for": _("Nothing is taken in before this is written to the end: %(names)s."),
    "outcome.trained": _("%(model)s was trained on %(pictures)s with %(captions)s."),
    "outcome.left_out": _(
        "%(count)s were left out, as they look like ones for validation or test."
    ),
    "outcome.best_epoch": _("The best epoch was %(epoch)s."),
    "outcome.gate_not_worse": _(
        "It passed the gate because it is not worse: nothing got better. It can go live."
    ),
    "outcome.gate_passed": _("It passed the gate and can go live."),
    "outcome.gate_failed": _("The gate refuses it."),
    "outcome.gate_overridden": _("The gate was passed over, with the reason that was given."),
    "outcome.evaluated": ngettext(
        "%(model)s, %(count)s query among %(gallery)s pictures: %(figures)s.",
        "%(model)s, %(count)s queries among %(gallery)s pictures: %(figures)s.",
    ),
    "outcome.promoted": _("%(model)s is live with index %(index)s; %(pictures)s embedded anew."),
    "outcome.exported": _(
        "%(model)s with its index of %(pictures)s was written into a file of %(size)s, which is "
        "kept for three days."
    ),
    "outcome.newer_left_out": _("%(pictures)s that came since its index was built are not in it."),
}
