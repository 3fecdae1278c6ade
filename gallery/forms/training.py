"""Teaching a model the pictures and words that are here."""

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from gallery.forms.fields import ExistingCollectionField
from gallery.models import Job, ModelVersion
from gallery.selectors import working_model
from gallery.services import training
from mlcore.errors import ContextVisionError
from mlcore.training.config import OPTIONS
from mlcore.training.options import Option

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


def _tune_choices() -> Iterable[tuple[str, Any]]:
    return [
        (value, format_html("<span><strong>{}</strong><small>{}</small></span>", name, sentence))
        for value, (name, sentence) in TUNE.items()
    ]


PAGE_OPTIONS = {name: option for name, option in OPTIONS.items() if option.on_page}
"""What the page shows of the recipe; the command line and the API take the rest too."""


def _option_field(name: str, option: Option) -> forms.Field:
    """Make the field of the form for an option; what is left empty is as recommended."""
    shared: dict[str, Any] = {
        "label": _(option.label),
        "help_text": _(option.help),
        "required": False,
    }
    if option.type is bool or option.ticked is not None:
        return forms.BooleanField(**shared)
    hint = {} if option.optional else {"placeholder": _("recommended")}
    least = option.above if option.least is None else option.least
    shared |= {
        "min_value": least,
        "max_value": option.most,
        "validators": [_checked(name, option)],
    }
    if option.type is int:
        return forms.IntegerField(**shared, widget=forms.NumberInput(attrs=hint))
    return forms.FloatField(**shared, widget=forms.NumberInput(attrs={"step": "any", **hint}))


def _checked(name: str, option: Option) -> Callable[[Any], None]:
    def validate(value: Any) -> None:
        try:
            option.check(name, value)
        except ContextVisionError as error:
            raise forms.ValidationError(str(error)) from error

    return validate


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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields |= {name: _option_field(name, each) for name, each in PAGE_OPTIONS.items()}
        live = working_model()
        if live is not None:
            self.fields["base"].initial = live.pk

    def advanced(self) -> list[forms.BoundField]:
        """What is typed of the recipe; the page folds it away."""
        return [self[name] for name in PAGE_OPTIONS if not self._is_ticked(name)]

    def ticks(self) -> list[forms.BoundField]:
        """What is ticked of it."""
        return [self[name] for name in PAGE_OPTIONS if self._is_ticked(name)]

    def _is_ticked(self, name: str) -> bool:
        return isinstance(self.fields[name], forms.BooleanField)

    @property
    def has_advanced_input(self) -> bool:
        """Tell whether something in the folded part was filled in, or is at fault."""
        return any(
            field.errors or (self.is_bound and field.data)
            for field in self.advanced() + self.ticks()
        )

    def start(self, user: User) -> Job | None:
        """Queue the training; where it cannot begin, the form says why."""
        data = self.cleaned_data
        recipe = {name: data[name] for name in PAGE_OPTIONS if data[name] not in (None, False)}
        for name in recipe:
            if PAGE_OPTIONS[name].ticked is not None:
                recipe[name] = list(PAGE_OPTIONS[name].ticked)
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
