"""A search that somebody keeps."""

from typing import TYPE_CHECKING, Any, TypeAlias

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gallery.examples import EXAMPLE
from gallery.models import SavedSearch

if TYPE_CHECKING:
    _SavedSearchModelForm: TypeAlias = forms.ModelForm[SavedSearch]
else:
    _SavedSearchModelForm = forms.ModelForm

MOST = 200
"""Searches that one person may keep."""
LONGEST = 4_000
"""Characters of what a search is made of."""
_NOT_ASKED = ("csrfmiddlewaretoken", "offset", "filters")
"""What an address may hold that belongs to no search."""


class NameForm(_SavedSearchModelForm):
    """The name alone, to change it."""

    class Meta:
        model = SavedSearch
        fields = ["name"]
        labels = {"name": gettext_lazy("Name")}

    def __init__(self, *arguments: Any, owner: User, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.instance.owner = owner

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        others = self.instance.owner.saved_searches.exclude(pk=self.instance.pk)
        if others.filter(name=name).exists():
            raise ValidationError(_("You have a saved search of this name; choose another name."))
        return name


class SavedSearchForm(NameForm):
    """A name, and a search as its address spells it."""

    class Meta(NameForm.Meta):
        fields = ["name", "query"]
        widgets = {"query": forms.HiddenInput}

    def clean_query(self) -> str:
        asked = QueryDict(self.cleaned_data["query"].lstrip("?"), mutable=True)
        for name in _NOT_ASKED:
            asked.pop(name, None)
        pictures = [*asked.getlist("like"), *asked.getlist("unlike")]
        if any(value.startswith(EXAMPLE) for value in pictures):
            raise ValidationError(
                _("An example picture is not kept for long, so this search cannot be saved.")
            )
        query = asked.urlencode()
        if not query:
            raise ValidationError(_("Nothing is asked for yet, so there is nothing to save."))
        if len(query) > LONGEST:
            raise ValidationError(_("This search is too long to be saved; take a part away."))
        return query

    def clean(self) -> dict[str, Any]:
        if self.instance.owner.saved_searches.count() >= MOST:
            raise ValidationError(
                _("You have %(count)s saved searches; delete some first.") % {"count": MOST}
            )
        return super().clean() or self.cleaned_data
