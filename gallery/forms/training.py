"""Teaching a model the pictures and words that are here."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.models import User
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from gallery.forms.fields import ExistingCollectionField
from gallery.models import Job, ModelVersion
from gallery.selectors import working_model
from gallery.services import training
from mlcore.errors import ContextVisionError

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

TUNE = {
    "heads": (
        _("The heads only"),
        _("The two layers that bring pictures and words together. Minutes; a good first try."),
    ),
    "last": (
        _("The last blocks as well"),
        _("The top of both towers learns too. Slower, and it follows your data further."),
    ),
    "lora": (
        _("LoRA"),
        _("Small layers beside the frozen ones. Close to training everything, with less memory."),
    ),
    "text": (
        _("The words only"),
        _("Pictures keep the vectors they have, so going live needs no new ones."),
    ),
    "all": (
        _("Everything"),
        _("All weights. Needs many pictures, time and preferably a GPU; forgets most easily."),
    ),
}
"""What is trained, and one sentence about each."""

ROBUST_MIXES = (0.25, 0.5, 0.75)
"""Shares of the tuned weights that are tried against the base's."""


def _tune_choices() -> Iterable[tuple[str, Any]]:
    return [
        (value, format_html("<span><strong>{}</strong><small>{}</small></span>", name, sentence))
        for value, (name, sentence) in TUNE.items()
    ]


def _number(label: "_StrPromise", help_text: "_StrPromise", **options: Any) -> forms.FloatField:
    return forms.FloatField(
        label=label,
        required=False,
        help_text=help_text,
        widget=forms.NumberInput(attrs={"step": "any", "placeholder": _("recommended")}),
        **options,
    )


def _whole(label: "_StrPromise", help_text: "_StrPromise", **options: Any) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=False,
        help_text=help_text,
        widget=forms.NumberInput(attrs={"placeholder": _("recommended")}),
        **options,
    )


class FineTuneForm(forms.Form):
    """A recipe; what is left empty is what suits the model and the choice of what to train."""

    tune = forms.ChoiceField(
        label=_("What to train"), choices=_tune_choices, initial="heads", widget=forms.RadioSelect
    )
    base = forms.ModelChoiceField(
        label=_("Start from"), queryset=ModelVersion.objects.all(), empty_label=None
    )
    collection = ExistingCollectionField(label=_("Pictures"), empty_label=_("All with captions"))
    name = forms.CharField(
        label=_("Name"),
        required=False,
        max_length=120,
        help_text=_("What the new model is called; empty for the old name and the date."),
    )
    epochs = _whole(_("Epochs"), _("Passes over all pictures."), min_value=1, max_value=10_000)
    batch_size = _whole(
        _("Batch size"),
        _("Pairs compared at a time; more is better, and needs more memory."),
        min_value=2,
        max_value=100_000,
    )
    learning_rate = _number(
        _("Learning rate"),
        _("How far each step goes. Too high wrecks what the model knew; the gate then refuses it."),
        min_value=1e-8,
        max_value=1.0,
    )
    patience = forms.IntegerField(
        label=_("Patience"),
        required=False,
        min_value=1,
        max_value=10_000,
        help_text=_("Stop after so many epochs without a better result; empty to run to the end."),
    )
    hard_negatives = forms.BooleanField(
        label=_("Hard negatives"),
        required=False,
        help_text=_(
            "Also show captions with a colour, number, place or role changed, to be refused."
        ),
    )
    robust_mixing = forms.BooleanField(
        label=_("Mix with the old model"),
        required=False,
        help_text=_("Try means of old and new weights and keep the best; forgets less."),
    )

    ADVANCED = (
        "epochs", "batch_size", "learning_rate", "patience", "hard_negatives", "robust_mixing",
    )  # fmt: skip
    _RECIPE = ("epochs", "batch_size", "learning_rate", "patience")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        live = working_model()
        if live is not None:
            self.fields["base"].initial = live.pk

    def advanced(self) -> list[forms.BoundField]:
        return [self[name] for name in self.ADVANCED]

    @property
    def has_advanced_input(self) -> bool:
        """Tell whether something in the folded part was filled in, or is at fault."""
        return any(field.errors or (self.is_bound and field.data) for field in self.advanced())

    def start(self, user: User) -> Job | None:
        """Queue the training; where it cannot begin, the form says why."""
        data = self.cleaned_data
        recipe = {name: data[name] for name in self._RECIPE if data[name] is not None}
        if data["hard_negatives"]:
            recipe["hard_negatives"] = True
        if data["robust_mixing"]:
            recipe["robust_mixes"] = list(ROBUST_MIXES)
        params = training.TrainingParams(
            name=data["name"],
            base=data["base"].pk,
            collection=data["collection"].name if data["collection"] else "",
            tune=data["tune"],
            recipe=recipe,
        )
        try:
            return training.request_training(params, user=user)
        except ContextVisionError as error:
            self.add_error(None, str(error))
            return None
