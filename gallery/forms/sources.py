"""A source that is followed."""

from typing import TYPE_CHECKING, Any, TypeAlias

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from gallery.forms.audience import AUDIENCES
from gallery.forms.pictures import CollectionField, TagsField
from gallery.models import SyncSource
from gallery.models.choices import Visibility
from gallery.models.sync import PATH_LENGTH
from gallery.services.syncing import save_source
from gallery.uploads.places import SyncError, checked_address
from mlcore.i18n import Message
from mlcore.layouts import LAYOUTS, PLAIN

if TYPE_CHECKING:
    _SourceModelForm: TypeAlias = forms.ModelForm[SyncSource]
else:
    _SourceModelForm = forms.ModelForm

LAYOUT_CHOICES = [
    ("", _("As it looks")),
    *((name, Message(f"layout.{name}")) for name in (*LAYOUTS, PLAIN)),
]


AUDIENCES_OF_SOURCES = [each for each in AUDIENCES if each[0] != Visibility.GROUPS]


class AddressField(forms.CharField):
    """A folder or prefix inside the places that the settings allow."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            label=_("Folder or bucket"),
            max_length=PATH_LENGTH,
            help_text=_("A folder of the server, or s3://bucket/prefix."),
            **options,
        )

    def clean(self, value: Any) -> str:
        try:
            return checked_address(str(super().clean(value)))
        except SyncError as error:
            raise ValidationError(str(error)) from error


class SourceForm(_SourceModelForm):
    """How a source is followed; what has been taken in already stays as it is."""

    layout = forms.ChoiceField(label=_("Layout"), choices=LAYOUT_CHOICES, required=False)
    collection_name = CollectionField(label=_("Collection"))
    tag_names = TagsField(label=_("Tags"))
    visibility = forms.ChoiceField(
        label=_("Who can see them"), choices=AUDIENCES_OF_SOURCES, widget=forms.RadioSelect
    )

    class Meta:
        model = SyncSource
        fields = [
            "is_enabled",
            "interval",
            "hide_vanished",
            "visibility",
            "layout",
            "file_column",
            "caption_column",
        ]
        labels = {
            "is_enabled": _("Look into it by itself"),
            "interval": _("Seconds between two looks"),
            "hide_vanished": _("Hide vanished pictures"),
            "file_column": _("Column of the files"),
            "caption_column": _("Column of the captions"),
        }

    field_order = ["address", "collection_name", "tag_names", "visibility"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        source = self.instance
        if source.pk:
            self.initial["collection_name"] = source.collection.name if source.collection else ""
            self.initial["tag_names"] = [tag.name for tag in source.tags.all()]

    def save(self, commit: bool = True) -> SyncSource:
        values = dict(self.cleaned_data)
        values["collection"] = values.pop("collection_name")
        values["tags"] = values.pop("tag_names")
        return save_source(self.instance, values)


class NewSourceForm(SourceForm):
    """A source that is not followed yet; its pictures belong to whoever adds it."""

    address = AddressField()

    def clean_address(self) -> str:
        address: str = self.cleaned_data["address"]
        if SyncSource.objects.filter(address=address).exists():
            raise ValidationError(_("This source is followed already."))
        return address

    def add(self, owner: User) -> SyncSource:
        self.instance.owner = owner
        return self.save()
