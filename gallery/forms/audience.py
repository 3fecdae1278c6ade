"""Who is to see pictures, as it is chosen in several forms."""

from typing import Any

from django import forms
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from gallery.access import name_of
from gallery.models.choices import Visibility
from gallery.selectors import groups_to_choose

AUDIENCES = [
    (Visibility.PUBLIC, _("Everybody")),
    (Visibility.SIGNED_IN, _("Everybody who is signed in")),
    (Visibility.GROUPS, _("Members of groups")),
    (Visibility.PRIVATE, _("Only the owner, and editors")),
]


class GroupsField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    def __init__(self, **options: Any) -> None:
        super().__init__(
            queryset=Group.objects.none(),
            label=_("Groups"),
            required=False,
            widget=forms.CheckboxSelectMultiple,
            help_text=_("They see the pictures where members of groups may."),
            **options,
        )

    def label_from_instance(self, obj: Any) -> str:
        return name_of(obj)


class AudienceForm(forms.Form):
    """Adds to a form the choice of who sees pictures; one that has no groups to choose from is not
    asked for them."""

    visibility = forms.ChoiceField(
        label=_("Who can see them"),
        choices=AUDIENCES,
        initial=Visibility.PUBLIC,
        widget=forms.RadioSelect,
    )
    groups = GroupsField()

    def offer_groups(self, user: User, chosen: QuerySet[Group] | None = None) -> None:
        """Let this person choose from the groups that he may, and from those that are chosen."""
        groups = groups_to_choose(user)
        if chosen is not None:
            groups = (groups | chosen).distinct()
        field, visibility = self.fields["groups"], self.fields["visibility"]
        assert isinstance(field, GroupsField)  # noqa: S101  (for mypy)
        assert isinstance(visibility, forms.ChoiceField)  # noqa: S101
        if groups.exists():
            field.queryset = groups
        else:
            del self.fields["groups"]
            offered: Any = visibility.choices
            visibility.choices = [each for each in offered if each[0] != Visibility.GROUPS]

    def clean(self) -> dict[str, Any] | None:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("visibility") == Visibility.GROUPS and not data.get("groups"):
            self.add_error("groups", _("Choose at least one group."))
        return data

    @property
    def chosen_groups(self) -> list[Group]:
        return list(self.cleaned_data.get("groups", ()))
