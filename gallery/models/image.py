"""Pictures and the words that belong to them."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple
from hashlib import sha256
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, Group, User
from django.db import models, transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gallery.access import has_perm, sees_everything
from gallery.models.choices import Colour, Orientation, Split, TakenFrom, Visibility
from gallery.rendering.addresses import picture_address
from mlcore.i18n import Message
from mlcore.imaging.renditions import Credit

if TYPE_CHECKING:
    from gallery.models.version import ModelVersion


NO_CREDIT = Credit()
IS_WIDE = Q(width__gt=F("height") * 8 / 5) | Q(height__gt=F("width") * 8 / 5)
"""The long side is over 1.6 times the short one, so that the centre square leaves out more than a
third of the picture. Whole numbers: rounding the quotient down changes nothing."""

GIVE_UP_AFTER = 3
"""Failed attempts at a picture after which it is left alone until a person retries it."""


class Collection(models.Model):
    name = models.CharField(_("name"), max_length=120, unique=True)
    description = models.TextField(_("description"), blank=True)

    class Meta:
        verbose_name = _("collection")
        verbose_name_plural = _("collections")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Tag(models.Model):
    name = models.CharField(_("name"), max_length=100, unique=True)

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


ORIENTATION = Case(
    When(width__gt=F("height") + F("height") / 20, then=Value(Orientation.LANDSCAPE.value)),
    When(height__gt=F("width") + F("width") / 20, then=Value(Orientation.PORTRAIT.value)),
    default=Value(Orientation.SQUARE.value),
    output_field=models.CharField(),
)
"""Which way a picture lies, in a query."""

MOMENT = Coalesce("taken_at", "created_at")
"""When a picture was taken, or added where that is not known, in a query."""


class ImageQuerySet(models.QuerySet["Image"]):
    def visible_to(self, user: User | AnonymousUser | None) -> Self:
        """Keep what this person may see. Every page, answer and file goes through here."""
        if sees_everything(user):
            return self
        seen = Q(visibility=Visibility.PUBLIC)
        if user is not None and user.is_authenticated:
            shared = Image.groups.through.objects.filter(group__in=user.groups.all())
            by_group = Q(visibility=Visibility.GROUPS, pk__in=shared.values("image"))
            seen |= Q(visibility=Visibility.SIGNED_IN) | Q(owner=user) | by_group
        return self.filter(seen)

    def editable_by(self, user: User | AnonymousUser | None) -> Self:
        """Keep what this person may describe and share: his own, or all that editors see."""
        return self._own_or_with("gallery.change_image", user)

    def deletable_by(self, user: User | AnonymousUser | None) -> Self:
        return self._own_or_with("gallery.delete_image", user)

    def _own_or_with(self, permission: str, user: User | AnonymousUser | None) -> Self:
        if user is None or not user.is_authenticated:
            return self.none()
        return self.visible_to(user) if has_perm(user, permission) else self.filter(owner=user)

    def show_to(self, visibility: str, groups: Iterable[Group] = ()) -> list[int]:
        """Let these pictures be seen by others from now on; return the ids of those of which that
        is a change. ``groups`` matter where they are to see them, and are forgotten otherwise."""
        wanted = {group.pk for group in groups} if visibility == Visibility.GROUPS else set()
        before = dict(self.order_by("pk").values_list("pk", "visibility"))
        links = Image.groups.through.objects.filter(image__in=before)
        shown: dict[int, set[int]] = {}
        for image, group in links.values_list("image_id", "group_id"):
            shown.setdefault(image, set()).add(group)
        changed = [
            pk
            for pk, seen_by in before.items()
            if seen_by != visibility or shown.get(pk, set()) != wanted
        ]
        with transaction.atomic():
            Image.objects.filter(pk__in=changed).update(visibility=visibility)
            links.filter(image__in=changed).delete()
            Image.groups.through.objects.bulk_create(
                Image.groups.through(image_id=pk, group_id=group)
                for pk in changed
                for group in sorted(wanted)
            )
        return changed

    def missing_embeddings(self, version: "ModelVersion") -> Self:
        """Keep what has not all of its vectors of this model yet and has not failed for good."""
        lacks = ~Q(embeddings__model_version=version.vectors_version_id)
        if settings.CONTEXTVISION_SQUARES:
            lacks |= IS_WIDE & ~Q(squares__model_version=version.vectors_version_id)
        return self.filter(lacks)._not_given_up()

    def any_missing_embeddings(self, version: "ModelVersion") -> bool:
        """Tell whether :meth:`missing_embeddings` finds any: in two questions, which a database
        answers far sooner than one that joins them by "or"."""
        owner = version.vectors_version_id
        if self.exclude(embeddings__model_version=owner)._not_given_up().exists():
            return True
        if not settings.CONTEXTVISION_SQUARES:
            return False
        return self.wide().exclude(squares__model_version=owner)._not_given_up().exists()

    def _not_given_up(self) -> Self:
        # Only a failure of embedding names a picture.
        return self.exclude(failures__attempts__gte=GIVE_UP_AFTER)

    def wide(self) -> Self:
        """Keep what is looked at in squares at both ends besides the centre."""
        return self.filter(IS_WIDE)

    def with_details(self) -> Self:
        """Fetch what a result shows, in a number of queries that does not grow with the rows."""
        return self.select_related("collection").prefetch_related("captions", "tags")


class Image(models.Model):
    """One picture. Its file never changes; the same bytes are stored once."""

    file = models.FileField(_("original file"), max_length=200)
    sha256 = models.CharField(_("SHA-256 of the file"), max_length=64, unique=True, editable=False)
    width = models.PositiveIntegerField(_("width"), help_text=_("Pixels, upright."), editable=False)
    height = models.PositiveIntegerField(
        _("height"), help_text=_("Pixels, upright."), editable=False
    )
    format = models.CharField(_("format"), max_length=8, editable=False)
    bytes = models.PositiveBigIntegerField(_("size in bytes"), editable=False)
    dominant_colour = models.CharField(
        _("dominant colour"),
        max_length=6,
        choices=Colour,
        blank=True,
        db_index=True,
        editable=False,
        help_text=_("The colour that stands out; empty where it was not looked for yet."),
    )
    placeholder = models.CharField(
        _("placeholder"),
        max_length=1000,
        blank=True,
        editable=False,
        help_text=_("A WebP of a few pixels in base64, shown until the picture has come."),
    )
    title = models.CharField(_("title"), max_length=200, blank=True)
    source = models.CharField(
        _("source"),
        max_length=300,
        blank=True,
        help_text=_("Where it came from: a file name or an import path."),
    )
    split = models.CharField(
        _("split"), max_length=10, choices=Split, default=Split.NONE, blank=True
    )
    tags = models.ManyToManyField(Tag, verbose_name=_("tags"), blank=True, related_name="images")
    collection = models.ForeignKey(
        Collection,
        verbose_name=_("collection"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="images",
    )
    taken_at = models.DateTimeField(_("taken at"), null=True, blank=True)
    taken_from = models.CharField(
        _("dated by"),
        max_length=9,
        choices=TakenFrom,
        blank=True,
        editable=False,
        help_text=_("Who says when it was taken."),
    )
    creator = models.CharField(_("creator"), max_length=200, blank=True, db_index=True)
    credit = models.CharField(
        _("credit"), max_length=200, blank=True, help_text=_("Who is to be named with it.")
    )
    copyright = models.CharField(_("copyright"), max_length=300, blank=True)
    place = models.CharField(
        _("place"), max_length=200, blank=True, help_text=_("In words, as the file says it.")
    )
    camera = models.CharField(_("camera"), max_length=100, blank=True, db_index=True)
    notes = models.JSONField(
        _("notes"),
        default=list,
        blank=True,
        editable=False,
        help_text=_("What was odd about its file."),
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="owned_images",
        help_text=_("Sees the picture even where it is private."),
    )
    uploader = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("uploader"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="uploaded_images",
        editable=False,
    )
    job = models.ForeignKey(
        "gallery.Job",
        verbose_name=_("job"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="images",
        editable=False,
        help_text=_("The job that imported it."),
    )
    visibility = models.CharField(
        _("visibility"), max_length=10, choices=Visibility, default=Visibility.PUBLIC, db_index=True
    )
    groups = models.ManyToManyField(
        Group,
        verbose_name=_("groups"),
        blank=True,
        related_name="images",
        help_text=_("Whose members see the picture, where it is for groups."),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = ImageQuerySet.as_manager()

    RENDITION_SIDES = (240, 480, 960, 1600)
    """Pixels on the long side of what is served; the second is the thumbnail, the last the display
    picture."""
    RENDITION_FORMATS = ("webp", "avif")

    class Meta:
        verbose_name = _("image")
        verbose_name_plural = _("images")
        ordering = ["-id"]
        permissions = [
            ("view_every_image", "Can see every image, whoever it is for"),
            ("view_image_origin", "Can see an image's owner, source and original file"),
        ]
        constraints = [
            models.CheckConstraint(
                name="image_sha256_is_hex", condition=Q(sha256__regex=r"^[0-9a-f]{64}$")
            ),
            models.CheckConstraint(
                name="image_has_size", condition=Q(width__gt=0, height__gt=0, bytes__gt=0)
            ),
            models.CheckConstraint(
                name="image_visibility_is_known", condition=Q(visibility__in=Visibility.values)
            ),
            models.CheckConstraint(
                name="image_split_is_known", condition=Q(split__in=Split.values)
            ),
        ]

    def __str__(self) -> str:
        return self.title or gettext("Picture %(id)s") % {"id": self.pk}

    def get_absolute_url(self) -> str:
        return picture_address("gallery:image", self.pk)

    @property
    def is_wide(self) -> bool:
        """As :data:`IS_WIDE`."""
        return 5 * max(self.width, self.height) > 8 * min(self.width, self.height)

    @property
    def thumbnail_url(self) -> str:
        return picture_address("gallery:thumbnail", self.pk)

    @property
    def display_name(self) -> str:
        """Storage name of the re-encoded picture that visitors see."""
        return f"{self._renditions}-display.webp"

    @property
    def thumbnail_name(self) -> str:
        """Storage name of the small picture that galleries show."""
        return f"{self._renditions}-thumbnail.webp"

    @property
    def _renditions(self) -> str:
        return f"renditions/{self.sha256[:2]}/{self.sha256}"

    @property
    def ingested_names(self) -> tuple[str, str]:
        """Storage names of what was made when the picture came in."""
        return self.display_name, self.thumbnail_name

    def rendition_name(self, side: int, kind: str, credit: Credit = NO_CREDIT) -> str:
        """Storage name of the picture at one of ``RENDITION_SIDES`` in one of the formats."""
        if credit:
            said = sha256("\0".join(astuple(credit)).encode()).hexdigest()
            return f"{self._renditions}-{side}-{said[:8]}.{kind}"
        if kind == "webp" and side == self.RENDITION_SIDES[-1]:
            return self.display_name
        if kind == "webp" and side == self.RENDITION_SIDES[1]:
            return self.thumbnail_name
        return f"{self._renditions}-{side}.{kind}"

    @property
    def credit_line(self) -> Credit:
        """What its served files say of whoever made it, where the settings ask for that."""
        return Credit(self.creator, self.copyright)

    @property
    def rendition_names(self) -> list[str]:
        """Storage names of everything that may have been made of the picture."""
        return [
            self.rendition_name(side, kind, credit)
            for side in self.RENDITION_SIDES
            for kind in self.RENDITION_FORMATS
            for credit in {NO_CREDIT, self.credit_line}
        ]

    @property
    def remarks(self) -> list[Message]:
        """What was odd about its file, to be put into words."""
        return [Message.from_json(note) for note in self.notes]

    known_sentences: Sequence[str] | None = None
    """The captions, where they were fetched for many pictures at once; see ``sentences``."""

    @property
    def sentences(self) -> Sequence[str]:
        """The text of every caption, in order; uses those that were fetched before."""
        if self.known_sentences is not None:
            return self.known_sentences
        return [caption.text for caption in self.captions.all()]

    @property
    def caption(self) -> str:
        """The first caption, or nothing."""
        sentences = self.sentences
        return sentences[0] if sentences else ""


class Caption(models.Model):
    """A sentence that says what a picture shows; training draws one of them per epoch."""

    class Source(models.TextChoices):
        IMPORT = "import", _("Data set")
        METADATA = "metadata", _("Picture's own metadata")
        PERSON = "person", _("Written here")

    image = models.ForeignKey(
        Image, verbose_name=_("image"), on_delete=models.CASCADE, related_name="captions"
    )
    text = models.CharField(_("text"), max_length=5000)
    order = models.PositiveSmallIntegerField(_("order"), default=0)
    source = models.CharField(_("source"), max_length=8, choices=Source, default=Source.PERSON)

    class Meta:
        verbose_name = _("caption")
        verbose_name_plural = _("captions")
        ordering = ["image_id", "order"]
        constraints = [
            models.UniqueConstraint(fields=["image", "order"], name="caption_order_is_unique"),
            models.CheckConstraint(name="caption_is_not_empty", condition=~Q(text="")),
        ]

    def __str__(self) -> str:
        return self.text
