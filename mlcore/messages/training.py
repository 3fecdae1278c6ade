"""Of training runs."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _
from mlcore.i18n import ngettext_noop as ngettext

MESSAGES: dict[str, Sentence] = {
    # Recipes
    "recipe.no_training": _(
        "This recipe cannot be followed: models of the family %(family)s cannot be trained."
    ),
    "recipe.too_low": _("This recipe cannot be followed: %(option)s must be at least %(limit)s."),
    "recipe.not_above": _("This recipe cannot be followed: %(option)s must be above %(limit)s."),
    "recipe.too_high": _("This recipe cannot be followed: %(option)s must be at most %(limit)s."),
    "recipe.not_below": _("This recipe cannot be followed: %(option)s must be below %(limit)s."),
    "recipe.not_a_number": _("This recipe cannot be followed: %(option)s must be a number."),
    "recipe.not_whole": _("This recipe cannot be followed: %(option)s must be a whole number."),
    "recipe.not_a_truth": _("This recipe cannot be followed: %(option)s must be true or false."),
    "recipe.not_a_list": _("This recipe cannot be followed: %(option)s must be a list."),
    "recipe.not_a_choice": _(
        "This recipe cannot be followed: %(option)s must be one of these: %(choices)s."
    ),
    "recipe.members": _(
        "This recipe cannot be followed: members must divide dim, the width of the common space."
    ),
    "recipe.fresh_family": _(
        "This recipe cannot be followed: start='fresh' is for the starter; others start as they "
        "are."
    ),
    "recipe.fresh_tune": _(
        "This recipe cannot be followed: start='fresh' makes new heads, and tune='%(tune)s' would "
        "not train them all; use heads, lora or all."
    ),
    "recipe.fresh_mixes": _(
        "This recipe cannot be followed: fresh heads have no base to mix with; no robust_mixes."
    ),
    # Before the first step
    "training.exists": _("%(path)s exists already; choose a folder that does not exist."),
    "training.nothing_to_validate_on": _(
        "Stopping early and choosing a mix need pictures to validate on; hold some out."
    ),
    "training.uneven_batch": _(
        "A batch of %(batch)s cannot be shared equally by %(processes)s processes; choose a "
        "multiple."
    ),
    "training.too_few": _(
        "%(source)s has %(number)s captioned pictures to train on; at least %(least)s are needed."
    ),
    "training.no_tensorboard": _(
        "Curves for TensorBoard were asked for and it is not installed; run 'pip install "
        "tensorboard', or leave it out: the same figures are in metrics.jsonl."
    ),
    "training.other_run": _(
        "%(path)s holds an interrupted run that differs in %(differences)s. Give the same choices "
        "and data to go on with it, or start over: choose another folder, or say that it shall not "
        "be resumed (--no-resume)."
    ),
    "training.differs": _("%(name)s (%(there)s there, %(now)s now)"),
    "processes.other_number": _(
        "The recipe is for %(expected)s process(es) and %(started)s were started; start it with "
        "'torchrun --nproc-per-node N -m mlcore train ... --processes N', where N times the number "
        "of machines is the number of processes."
    ),
    "processes.not_found": _(
        "The recipe is for %(expected)s processes and %(found)s found each other; start it with "
        "torchrun."
    ),
    "leaks.found": ngettext(
        "%(count)s picture to train on is also among the unseen ones, so figures on those would be "
        "worth nothing: %(leaks)s. Leave it out of one side, or ask for leaking pictures to be "
        "dropped from training (--drop-leaking).",
        "%(count)s pictures to train on are also among the unseen ones, so figures on those would "
        "be worth nothing: %(leaks)s. Leave them out of one side, or ask for leaking pictures to "
        "be dropped from training (--drop-leaking).",
    ),
    "leaks.same_file": _("%(ours)s and %(theirs)s (the same file)"),
    "leaks.same_picture": _("%(ours)s and %(theirs)s (nearly the same picture)"),
    "leaks.more": _("and %(number)s more"),
    # While it runs
    "training.stopped": _(
        "Training was stopped before its end; nothing was published. The same command goes on "
        "after the last epoch that was finished."
    ),
    "training.diverged": _(
        "Training diverged: at step %(step)s of %(total)s (epoch %(epoch)s) the loss was about "
        "%(loss)s, and a model that knows nothing has %(chance)s; lower the learning rate, which "
        "is %(rate)s."
    ),
    "training.loss_not_finite": _(
        "The loss was no longer a finite number (%(value)s) at step %(step)s of %(total)s (epoch "
        "%(epoch)s); lower the learning rate, which is %(rate)s."
    ),
    "training.gradient_not_finite": _(
        "The gradient was no longer a finite number (%(value)s) at step %(step)s of %(total)s "
        "(epoch %(epoch)s); lower the learning rate, which is %(rate)s."
    ),
    "training.weights_not_finite": _(
        "Weights were no longer finite numbers after step %(step)s of %(total)s (epoch "
        "%(epoch)s); lower the learning rate, which is %(rate)s."
    ),
    "training.package_missing": _(
        "This kind of training needs the package %(package)s, which is not installed: "
        "pip install 'contextvision[train]'."
    ),
}
