"""The details of a picture."""

from typing import TYPE_CHECKING, Any, TypeAlias

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from gallery.forms.audience import AUDIENCES, AudienceForm
from gallery.models import Caption, Collection, Image, Tag
from gallery.services.images import set_captions, show_images
from gallery.uploads.descriptions import collection_named, tags_named

if TYPE_CHECKING:
    _ImageModelForm: TypeAlias = forms.ModelForm[Image]
else:
    _ImageModelForm = forms.ModelForm

CAPTION_LENGTH = Caption._meta.get_field("text").max_length or 0
TAG_LENGTH = Tag._meta.get_field("name").max_length or 0
COLLECTION_LENGTH = Collection._meta.get_field("name").max_length or 0


class CollectionField(forms.CharField):
    """The name of a collection; those that exist are offered while it is typed."""

    widget = forms.TextInput(attrs={"list": "collection-names", "autocomplete": "off"})

    def __init__(self, **options: Any) -> None:
        options = {"help_text": _("One that exists, or a new name.")} | options
        super().__init__(required=False, max_length=COLLECTION_LENGTH, **options)


class TagsField(forms.CharField):
    """Tags, separated by commas; those that exist are offered while they are typed."""

    widget = forms.TextInput(attrs={"list": "tag-names", "autocomplete": "off"})

    def __init__(self, **options: Any) -> None:
        super().__init__(
            required=False, max_length=1000, help_text=_("Separated by commas."), **options
        )

    def clean(self, value: Any) -> list[str]:
        text = str(super().clean(value))
        names = dict.fromkeys(" ".join(name.split()) for name in text.split(","))
        tags = [name for name in names if name]
        for name in tags:
            if len(name) > TAG_LENGTH:
                raise ValidationError(
                    _("The tag “%(start)s…” is too long: %(limit)d characters at most."),
                    params={"start": name[:30], "limit": TAG_LENGTH},
                )
        return tags

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return ", ".join(map(str, value))
        return value


def read_lines(text: str) -> list[str]:
    """Return the lines that hold something, and refuse one that is too long for a caption."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for line in lines:
        if len(line) > CAPTION_LENGTH:
            raise ValidationError(
                _("The caption “%(start)s…” is too long: %(limit)d characters at most."),
                params={"start": line[:30], "limit": CAPTION_LENGTH},
            )
    return [line for line in lines if line]


class ImageForm(AudienceForm, _ImageModelForm):
    captions = forms.CharField(
        label=_("Captions"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text=_("One to a line; the first one stands under the picture in the gallery."),
    )
    collection_name = CollectionField(
        label=_("Collection"), help_text=_("One that exists, or a new name; empty for none.")
    )
    tag_names = TagsField(label=_("Tags"))
    visibility = forms.ChoiceField(
        label=_("Who can see it"), choices=AUDIENCES, widget=forms.RadioSelect
    )

    class Meta:
        model = Image
        fields = ["title"]

    field_order = ["title", "captions", "tag_names", "collection_name", "visibility", "groups"]

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        image = self.instance
        self.offer_groups(user, image.groups.all())
        self.initial = {
            **self.initial,
            "captions": "\n".join(caption.text for caption in image.captions.all()),
            "collection_name": image.collection.name if image.collection else "",
            "tag_names": [tag.name for tag in image.tags.all()],
            "visibility": image.visibility,
            "groups": image.groups.all(),
        }

    def clean_captions(self) -> list[str]:
        return read_lines(self.cleaned_data["captions"])

    def save(self, commit: bool = True) -> Image:
        """Write all of it or nothing."""
        with transaction.atomic():
            self.instance.collection = collection_named(self.cleaned_data["collection_name"])
            image: Image = super().save(commit)
            image.tags.set(tags_named(self.cleaned_data["tag_names"]))
            show_images([image.pk], self.cleaned_data["visibility"], self.chosen_groups)
            set_captions(image, self.cleaned_data["captions"])  # and all that is written is found
        return image


class CollectForm(forms.Form):
    collection = forms.CharField(
        label=_("Collection"), required=False, max_length=COLLECTION_LENGTH
    )
