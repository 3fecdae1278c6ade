"""Pictures and data sets on their way in: files of a person, and what lies on the server."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from gallery.forms.audience import AudienceForm
from gallery.forms.pictures import CollectionField, TagsField, read_lines
from gallery.models import Job
from gallery.services.imports import find_source, import_sources, start_import
from gallery.uploads.descriptions import collection_named, tags_named
from gallery.uploads.import_options import IMPORT_OPTIONS, given
from gallery.uploads.items import Destination
from mlcore.errors import ContextVisionError
from mlcore.i18n import Message
from mlcore.layouts.options import COLUMN_LENGTH, SourceOption
from mlcore.layouts.pictures import has_picture_suffix

MOST_CAPTIONS = 1_000
"""Captions that a picture may get with one upload."""

_NAME_LENGTH = 256
"""Characters of a file's name, with the colon behind it."""
_FOR_ONE = re.compile(r"([^:]{1,255}):")


class ManyFilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class ManyFilesField(forms.FileField):
    """One or more files; the contents are judged when they are taken in, each by itself."""

    def __init__(self, **options: Any) -> None:
        super().__init__(widget=ManyFilesInput, allow_empty_file=True, **options)

    def clean(self, data: Any, initial: Any = None) -> "list[UploadedFile[Any]]":
        files = data if isinstance(data, list | tuple) else [data]
        return [super(ManyFilesField, self).clean(file, initial) for file in files or [None]]


@dataclass(frozen=True, slots=True)
class Captions:
    """Captions of an upload: for every file, and for single ones by their name."""

    for_all: tuple[str, ...] = ()
    by_name: dict[str, tuple[str, ...]] = field(default_factory=dict)


def sort_captions(lines: Iterable[str], names: Sequence[str]) -> Captions:
    """Give each line that starts with a file's name to that file, and the others to all.

    A line may be meant for a file that comes with another request, or lies in an archive: what
    begins like the name of a picture is never for all.

    Raises:
        ValidationError: a picture would get more than :data:`MOST_CAPTIONS`.
    """
    known = frozenset(names)
    for_all: list[str] = []
    by_name: defaultdict[str, list[str]] = defaultdict(list)
    for line in lines:
        name = _known_name(line, known)
        meant = _FOR_ONE.match(line)
        if name is None and meant is not None and has_picture_suffix(meant[1]):
            name = meant[1].strip()
        if name is None:
            for_all.append(line)
        else:
            by_name[name].append(line.removeprefix(f"{name}:").strip())
    most = max(map(len, by_name.values()), default=0) + len(for_all)
    if most > MOST_CAPTIONS:
        raise ValidationError(
            _("A picture would get %(count)d captions; at most %(limit)d are accepted."),
            params={"count": most, "limit": MOST_CAPTIONS},
        )
    return Captions(tuple(for_all), {name: tuple(texts) for name, texts in by_name.items()})


def _known_name(line: str, names: frozenset[str]) -> str | None:
    """Return the file's name, with a colon behind it, that a line begins with."""
    colons = (at for at, letter in enumerate(line[:_NAME_LENGTH]) if letter == ":")
    return next((line[:at] for at in colons if line[:at] in names), None)


def _option_field(option: SourceOption) -> forms.Field:
    shared: dict[str, Any] = {
        "label": _(option.label),
        "help_text": _(option.help),
        "required": False,
    }
    if option.is_flag:
        return forms.BooleanField(**shared)
    if option.choices:
        names = [(name, Message(f"layout.{name}")) for name in option.choices]
        return forms.ChoiceField(choices=[("", _("As it looks")), *names], **shared)
    return forms.CharField(max_length=COLUMN_LENGTH, **shared)


class IncomingForm(AudienceForm):
    """What holds for all pictures that come in, and how a data set of them is read."""

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

    field_order = ["captions", "collection", "tags", "visibility", "groups"]

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.offer_groups(user)
        self.fields |= {name: _option_field(option) for name, option in IMPORT_OPTIONS.items()}

    def option_fields(self) -> list[forms.BoundField]:
        """What is chosen or typed of the options of an import."""
        return [self[name] for name, option in IMPORT_OPTIONS.items() if not option.is_flag]

    def fields_of_pictures(self) -> list[forms.BoundField]:
        """What is asked where no data set comes in."""
        return [field for field in self if field.name not in IMPORT_OPTIONS]

    def options(self) -> dict[str, Any]:
        """Return the options that were given, by name."""
        return given(self.cleaned_data)

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
            sender=user,
            visibility=data["visibility"],
            groups=tuple(self.chosen_groups),
            collection=collection_named(data["collection"]),
            tags=tuple(tags_named(data["tags"])),
        )


class UploadForm(IncomingForm):
    pictures = ManyFilesField(label=_("Pictures"))

    field_order = ["pictures", *IncomingForm.field_order]


class ImportForm(IncomingForm):
    """What lies on the server, or was uploaded as an archive."""

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, user=user, **kwargs)
        found = [(source.key, source.name) for source in import_sources(user)]
        self.fields["source"] = forms.ChoiceField(label=_("What to import"), choices=found)

    def start(self) -> Job | None:
        """Queue it; where it cannot begin, the form says why."""
        data = self.cleaned_data
        try:
            source = find_source(data["source"], self.user)
        except ContextVisionError as error:  # it went meanwhile
            self.add_error("source", str(error))
            return None
        return start_import(
            source,
            self.destination(self.user),
            self.options(),
            captions=data["captions"].for_all,
            captions_by_name=data["captions"].by_name,
        )
