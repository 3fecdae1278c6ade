"""What a search is made of, each part with the addresses of the same search changed in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gallery.examples import is_kept
from gallery.rendering.addresses import picture_address
from search.periods import period_name
from search.query import GalleryPicture, KeptExample, Part, SearchQuery, Words

WEIGHTS = (
    (0.5, gettext_lazy("A little")),
    (1.0, gettext_lazy("Normally")),
    (2.0, gettext_lazy("Strongly")),
)
"""How much a part may count, in words; an address may say anything between."""


@dataclass(frozen=True, slots=True)
class Step:
    """One of the weights to choose from."""

    label: str
    url: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Chip:
    """One part of a search, or one filter."""

    label: str
    name: str
    """What it is called in sentences, as in "Remove: without people"."""
    remove_url: str
    is_wanted: bool = True
    picture_url: str = ""
    """Address of its picture, where it is one."""
    page_url: str = ""
    """Address of the page about that picture."""
    weight: str = ""
    """How much it counts, where that is not the usual."""
    steps: tuple[Step, ...] = ()
    turn_url: str = ""
    """Address of the search that avoids what is wanted, or wants what is avoided."""
    turn_label: str = ""


def part_chips(query: SearchQuery, address: Callable[[SearchQuery], str]) -> list[Chip]:
    """Describe the parts of a query; ``address`` gives those of the searches that they lead to."""
    return [_part_chip(query, at, address) for at in range(len(query.parts))]


def filter_chips(query: SearchQuery, address: Callable[[SearchQuery], str]) -> list[Chip]:
    """Describe what the results are narrowed down to."""
    where = query.where
    since, until = where["since"], where["until"]
    is_one_period = bool(since) and since == until
    chips = []
    for name, value, label in where.chips():
        rest = where.lifted(name, value)
        if is_one_period and name in ("since", "until"):
            if name == "until":
                continue
            label, rest = period_name(since), where.changed(since="", until="")
        chips.append(Chip(label, label, address(replace(query, where=rest, offset=0))))
    return chips


def narrowed(query: SearchQuery, conditions: Mapping[str, str]) -> SearchQuery:
    """Return the search with these filters changed, from its beginning."""
    return replace(query, where=query.where.changed(**conditions), offset=0)


def _part_chip(query: SearchQuery, at: int, address: Callable[[SearchQuery], str]) -> Chip:
    part = query.parts[at]

    def changed(*parts: Part) -> str:
        return address(query.with_parts(*query.parts[:at], *parts, *query.parts[at + 1 :]))

    label, name = _named(part)
    turned = replace(part, wanted=not part.wanted)
    return Chip(
        label=label,
        name=name,
        remove_url=changed(),
        is_wanted=part.wanted,
        picture_url=_picture_url(part),
        page_url=_page_url(part),
        weight="" if part.weight == 1 else f"×{part.weight:g}",
        steps=tuple(
            Step(str(words), changed(replace(part, weight=weight)), part.weight == weight)
            for weight, words in WEIGHTS
        ),
        turn_url=changed(turned),
        turn_label=_turn_label(part),
    )


def _named(part: Part) -> tuple[str, str]:
    """Return what stands on the chip, and what it is called where its picture is not seen."""
    match part.subject, part.wanted:
        case Words(text), True:
            return f"“{text}”", f"“{text}”"
        case Words(text), False:
            label = _("without “%(text)s”") % {"text": text}
            return label, label
        case GalleryPicture(pk), wanted:
            label = _("more like this") if wanted else _("less like this")
            return label, _("%(label)s, picture %(pk)s") % {"label": label, "pk": pk}
        case _subject, wanted:
            label = _("your picture") if wanted else _("unlike your picture")
            return label, label


def _turn_label(part: Part) -> str:
    if part.has_words:
        return _("Leave it out instead") if part.wanted else _("Look for it instead")
    return _("Less like this instead") if part.wanted else _("More like this instead")


def _picture_url(part: Part) -> str:
    match part.subject:
        case GalleryPicture(pk):
            return picture_address("gallery:thumbnail", pk)
        case KeptExample(key) if is_kept(key):
            return reverse("search:example", args=[key])
    return ""


def _page_url(part: Part) -> str:
    subject = part.subject
    if isinstance(subject, GalleryPicture):
        return picture_address("gallery:image", subject.pk)
    return ""
