"""Measuring a model, and putting it live."""

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy as _

from gallery.forms.fields import ExistingCollectionField
from gallery.models import Evaluation, Job, ModelVersion
from gallery.services import evaluations, versions
from mlcore.errors import ContextVisionError


class EvaluationForm(forms.Form):
    protocol = forms.ChoiceField(label=_("Protocol"), choices=lambda: evaluations.PROTOCOLS)
    split = forms.ChoiceField(
        label=_("Part"),
        required=False,
        choices=lambda: evaluations.SPLITS,
        initial=evaluations.SPLITS[0][0],
    )
    collection = ExistingCollectionField(
        label=_("Collection"), empty_label=_("All pictures with captions")
    )
    gallery = forms.ChoiceField(
        label=_("Looked for among"),
        required=False,
        choices=lambda: evaluations.GALLERIES,
        help_text=_("The more pictures there are to choose from, the harder it is."),
    )
    composition = forms.BooleanField(
        label=_("Also test composition"),
        required=False,
        help_text=_("How often a true caption beats one with a colour, number or place changed."),
    )

    def start(self, model: ModelVersion, user: User) -> Job | None:
        """Queue the evaluation; where it cannot be made, the form says why."""
        data = self.cleaned_data
        try:
            return evaluations.request_evaluation(
                model,
                protocol=data["protocol"],
                gallery=data["gallery"] or evaluations.GALLERIES[0][0],
                split=data["split"],
                collection=data["collection"].name if data["collection"] else "",
                composition=data["composition"],
                user=user,
            )
        except ContextVisionError as error:
            self.add_error(None, str(error))
            return None


class CompareForm(forms.Form):
    """Two evaluations to put side by side."""

    live = forms.ModelChoiceField(queryset=Evaluation.objects.select_related("model_version"))
    candidate = forms.ModelChoiceField(queryset=Evaluation.objects.select_related("model_version"))


class PromotionForm(forms.Form):
    """The step before a model goes live. Against the gate it takes a reason."""

    reason = forms.CharField(
        label=_("Reason to pass over the gate"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, *args: Any, needs_reason: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        reason = self.fields["reason"]
        reason.required = needs_reason
        reason.help_text = (
            _("Kept with your name in the history of promotions.")
            if needs_reason
            else _(
                "Only needed if a saved query set turns out worse; leave it empty, and the "
                "promotion stops there and says so."
            )
        )
        reason.error_messages["required"] = _("The gate refused this model. Say why it goes live.")

    def start(self, model: ModelVersion, user: User) -> Job | None:
        """Queue the promotion; where it is refused at once, the form says why."""
        try:
            return versions.request_promotion(
                model, user=user, override_reason=self.cleaned_data["reason"]
            )
        except ContextVisionError as error:
            self.add_error(None, str(error))
            return None
