"""Pictures to look after: which are shown, and what is done with those that are chosen."""

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from gallery.forms.audience import AUDIENCES, AudienceForm
from gallery.forms.fields import ExistingCollectionField, read_ids
from gallery.forms.pictures import CollectionField, TagsField, read_lines
from gallery.models import Caption, Image, Job, Tag
from gallery.selectors import known_collections
from gallery.services.bulk import Change
from gallery.services.images import set_captions

CAPTIONS = [("", _("With or without captions")), ("without", _("Without captions"))]


class ManagedFilterForm(forms.Form):
    """Narrows the list; what cannot be read is passed over."""

    words = forms.CharField(
        label=_("Words in title or captions"),
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"type": "search"}),
    )
    collection = ExistingCollectionField(label=_("Collection"), empty_label=_("All collections"))
    tag = forms.CharField(
        label=_("Tag"),
        required=False,
        max_length=60,
        widget=forms.TextInput(attrs={"list": "tag-names", "autocomplete": "off"}),
    )
    visibility = forms.ChoiceField(
        label=_("Who can see them"), required=False, choices=[("", _("Seen by anyone")), *AUDIENCES]
    )
    captions = forms.ChoiceField(label=_("Captions"), required=False, choices=CAPTIONS)
    job = forms.ModelChoiceField(
        queryset=Job.objects.all(), required=False, widget=forms.HiddenInput
    )

    def __init__(self, *args: Any, user: User, **options: Any) -> None:
        super().__init__(*args, **options)
        collection = self.fields["collection"]
        assert isinstance(collection, ExistingCollectionField)  # noqa: S101  (for mypy)
        collection.queryset = known_collections(user)

    def apply(self, images: QuerySet[Image]) -> QuerySet[Image]:
        self.is_valid()
        data = self.cleaned_data
        if words := data.get("words"):
            said = Caption.objects.filter(image=OuterRef("pk"), text__icontains=words)
            images = images.filter(Q(title__icontains=words) | Exists(said))
        if collection := data.get("collection"):
            images = images.filter(collection=collection)
        if tag := data.get("tag"):
            images = images.filter(Exists(Tag.objects.filter(images=OuterRef("pk"), name=tag)))
        if visibility := data.get("visibility"):
            images = images.filter(visibility=visibility)
        if data.get("captions"):
            images = images.filter(captions=None)
        if job := data.get("job"):
            images = images.filter(Q(job=job) | Q(pk__in=job.params.get("images", ())))
        return images.order_by("-pk")

    @property
    def is_narrowed(self) -> bool:
        return self.is_valid() and any(self.cleaned_data.values())


class ChosenForm(forms.Form):
    """Which pictures are meant: those with a tick, or all that the filter shows."""

    everything = forms.BooleanField(required=False)

    def images(self, shown: QuerySet[Image]) -> list[int]:
        """Return the ids of the pictures that are meant.

        Raises:
            ValidationError: none is, or one of them is gone or not this person's.
        """
        self.is_valid()
        if self.cleaned_data.get("everything"):
            found = list(shown.values_list("pk", flat=True))
        else:
            chosen = read_ids(self._ticked())
            found = list(shown.model.objects.filter(pk__in=chosen).values_list("pk", flat=True))
            may = set(shown.filter(pk__in=chosen).values_list("pk", flat=True))
            if chosen - may:
                raise ValidationError(
                    _("Some of the chosen pictures are gone, or are not yours to change.")
                )
        if not found:
            raise ValidationError(_("Choose at least one picture."))
        return found

    def _ticked(self) -> list[str]:
        data: Any = self.data
        return list(data.getlist("image"))


class BulkForm(AudienceForm):
    """What is done with each of the chosen pictures; what is left empty stays as it is."""

    add_tags = TagsField(label=_("Add tags"))
    remove_tags = TagsField(label=_("Remove tags"))
    collection = CollectionField(label=_("Move to collection"))
    no_collection = forms.BooleanField(label=_("Take out of their collection"), required=False)
    visibility = forms.ChoiceField(
        label=_("Who can see them"),
        required=False,
        choices=[("", _("As it is")), *AUDIENCES],
    )

    def __init__(self, *args: Any, user: User, **options: Any) -> None:
        super().__init__(*args, **options)
        self.offer_groups(user)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("collection") and data.get("no_collection"):
            self.add_error("collection", _("Either a collection, or none."))
        both = set(data.get("add_tags", ())) & set(data.get("remove_tags", ()))
        if both:
            self.add_error("remove_tags", _("A tag cannot be added and removed at once."))
        if not self.errors and not self.change():
            raise ValidationError(_("Say what to change: every field is empty."))
        return data

    def change(self) -> Change:
        data = self.cleaned_data
        return Change(
            add_tags=data["add_tags"],
            remove_tags=data["remove_tags"],
            collection=data["collection"],
            no_collection=data["no_collection"],
            visibility=data["visibility"],
            groups=self.chosen_groups,
        )


class CaptionsForm(forms.Form):
    """The captions of one picture, a field for each; an empty one goes."""

    def clean(self) -> dict[str, Any]:
        data: Any = self.data
        lines = [text for text in data.getlist("caption") if text.strip()]
        return {"captions": read_lines("\n".join(" ".join(text.split()) for text in lines))}

    def save(self, image: Image) -> None:
        set_captions(image, self.cleaned_data["captions"])
