"""Uploads, and the details of a picture."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from gallery.models import Caption, Collection, Image, Tag
from gallery.models.image import Visibility
from gallery.services.images import set_captions
from gallery.uploads import Destination, collection_named, tags_named

if TYPE_CHECKING:
    _ImageModelForm: TypeAlias = forms.ModelForm[Image]
else:
    _ImageModelForm = forms.ModelForm

CAPTION_LENGTH = Caption._meta.get_field("text").max_length or 0
TAG_LENGTH = Tag._meta.get_field("name").max_length or 0
COLLECTION_LENGTH = Collection._meta.get_field("name").max_length or 0

AUDIENCES = [
    (Visibility.PUBLIC, _("Everybody")),
    (Visibility.PRIVATE, _("Only the owner and staff")),
]


class ManyFilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class ManyFilesField(forms.FileField):
    """One or more files; the contents are judged when they are taken in, each by itself."""

    def __init__(self, **options: Any) -> None:
        super().__init__(widget=ManyFilesInput, allow_empty_file=True, **options)

    def clean(self, data: Any, initial: Any = None) -> "list[UploadedFile[Any]]":
        files = data if isinstance(data, list | tuple) else [data]
        return [super(ManyFilesField, self).clean(file, initial) for file in files or [None]]


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


@dataclass(frozen=True, slots=True)
class Captions:
    """Captions of an upload: for every file, and for single ones by their name."""

    for_all: tuple[str, ...] = ()
    by_name: dict[str, tuple[str, ...]] = field(default_factory=dict)


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


def sort_captions(lines: Iterable[str], names: Sequence[str]) -> Captions:
    """Give each line that starts with a file's name to that file, and the others to all."""
    for_all: list[str] = []
    by_name: dict[str, tuple[str, ...]] = {}
    for line in lines:
        name = next((name for name in names if line.startswith(f"{name}:")), None)
        if name is None:
            for_all.append(line)
            continue
        text = line.removeprefix(f"{name}:").strip()
        by_name[name] = (*by_name.get(name, ()), text)
    return Captions(tuple(for_all), by_name)


class UploadForm(forms.Form):
    pictures = ManyFilesField(label=_("Pictures"))
    captions = forms.CharField(
        label=_("Captions"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=(
            _(
                "One to a line, for all pictures of this upload. A line that starts with a file’s "
                "name is for that file alone: “beach.jpg: Two dogs on a beach”."
            )
        ),
    )
    collection = CollectionField(label=_("Collection"))
    tags = TagsField(label=_("Tags"))
    visibility = forms.ChoiceField(
        label=_("Who can see them"),
        choices=AUDIENCES,
        initial=Visibility.PUBLIC,
        widget=forms.RadioSelect,
    )

    def clean_captions(self) -> Captions:
        files = self.cleaned_data.get("pictures") or []
        names = [str(file.name) for file in files]
        return sort_captions(read_lines(self.cleaned_data["captions"]), names)

    def destination(self, user: User) -> Destination:
        """Where the files go; a collection or a tag that is new is made now."""
        data = self.cleaned_data
        return Destination(
            uploader=user,
            owner=user,
            visibility=data["visibility"],
            collection=collection_named(data["collection"]),
            tags=tuple(tags_named(data["tags"])),
        )


class ImageForm(_ImageModelForm):
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
        fields = ["title", "visibility"]

    field_order = ["title", "captions", "tag_names", "collection_name", "visibility"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        image = self.instance
        self.initial = {
            **self.initial,
            "captions": "\n".join(caption.text for caption in image.captions.all()),
            "collection_name": image.collection.name if image.collection else "",
            "tag_names": [tag.name for tag in image.tags.all()],
        }

    def clean_captions(self) -> list[str]:
        return read_lines(self.cleaned_data["captions"])

    def save(self, commit: bool = True) -> Image:
        """Write all of it or nothing."""
        with transaction.atomic():
            self.instance.collection = collection_named(self.cleaned_data["collection_name"])
            image: Image = super().save(commit)
            image.tags.set(tags_named(self.cleaned_data["tag_names"]))
            set_captions(image, self.cleaned_data["captions"])
        return image


class CollectForm(forms.Form):
    collection = forms.CharField(
        label=_("Collection"), required=False, max_length=COLLECTION_LENGTH
    )
