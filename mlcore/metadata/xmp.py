"""XMP packets (ISO 16684-1), inside pictures and beside them."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from defusedxml import ElementTree

from mlcore.metadata.dates import read_moment
from mlcore.metadata.photo import MAX_KEYWORD, MAX_KEYWORDS, PhotoMetadata, longest
from mlcore.metadata.sanitize import clean_line

MAX_XMP_BYTES = 1_000_000
"""A packet beyond this is edit history, and parsing it would cost more than the picture."""

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_PHOTOSHOP = "{http://ns.adobe.com/photoshop/1.0/}"
_EXIF = "{http://ns.adobe.com/exif/1.0/}"
_TIFF = "{http://ns.adobe.com/tiff/1.0/}"
_XMP = "{http://ns.adobe.com/xap/1.0/}"
_CORE = "{http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/}"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

# In the order in which they are asked; the first two mean the moment of the exposure.
_MOMENTS = (f"{_EXIF}DateTimeOriginal", f"{_PHOTOSHOP}DateCreated", f"{_XMP}CreateDate")


def read_xmp(packet: bytes) -> PhotoMetadata:
    """Read what a packet says about its picture.

    Raises:
        ValueError: it is larger than ``MAX_XMP_BYTES``.
        xml.etree.ElementTree.ParseError: it is not XML.
        defusedxml.DefusedXmlException: it is XML that was built to do harm.
    """
    if len(packet) > MAX_XMP_BYTES:
        raise ValueError("the packet is too large")
    root = ElementTree.fromstring(packet.strip(b"\x00 \t\r\n"))
    # One picture may be described in several blocks, one for each vocabulary.
    described = list(root.iter(f"{_RDF}Description"))

    def line(fact: str, *names: str) -> str:
        found = (clean_line(_one(described, name), longest(fact)) for name in names)
        return next(filter(None, found), "")

    place = [_one(described, name) for name in (
        f"{_CORE}Location", f"{_PHOTOSHOP}City", f"{_PHOTOSHOP}State", f"{_PHOTOSHOP}Country",
    )]  # fmt: skip
    moments = (read_moment(_one(described, name)) for name in _MOMENTS)
    taken_at = next(filter(None, moments), None)
    keywords = (clean_line(word, MAX_KEYWORD) for word in _all(described, f"{_DC}subject"))
    creators = ", ".join(_all(described, f"{_DC}creator"))
    return PhotoMetadata(
        title=line("title", f"{_DC}title", f"{_PHOTOSHOP}Headline"),
        description=line("description", f"{_DC}description"),
        keywords=tuple(dict.fromkeys(filter(None, keywords)))[:MAX_KEYWORDS],
        creator=clean_line(creators, longest("creator")),
        credit=line("credit", f"{_PHOTOSHOP}Credit"),
        copyright=line("copyright", f"{_DC}rights"),
        place=join_place(place),
        camera=name_camera(_one(described, f"{_TIFF}Make"), _one(described, f"{_TIFF}Model")),
        taken_at=taken_at,
        taken_from="xmp" if taken_at else "",
    )


def join_place(parts: list[str]) -> str:
    """Put the parts of a place into one line, from the spot to the country."""
    return clean_line(", ".join(dict.fromkeys(filter(None, parts))), longest("place"))


def name_camera(make: str, model: str) -> str:
    """Name a camera; most makers repeat themselves in the name of the model."""
    make, model = (clean_line(part, longest("camera")) for part in (make, model))
    if not model or not make or model.casefold().startswith(make.split()[0].casefold()):
        return model or make
    return clean_line(f"{make} {model}", longest("camera"))


def _one(described: list[Element], name: str) -> str:
    """Return a text: as an attribute, as an element, or in the default language of several."""
    for block in described:
        if name in block.attrib:
            return block.attrib[name]
        for element in block.iterfind(name):
            by_language: dict[str | None, str] = {}
            for item in element.iter(f"{_RDF}li"):
                by_language.setdefault(item.get(_XML_LANG), item.text or "")
            text = by_language.get("x-default") or next(iter(by_language.values()), element.text)
            if text and text.strip():
                return text
    return ""


def _all(described: list[Element], name: str) -> Iterator[str]:
    """Yield every entry of a list, or the one text where there is no list."""
    for block in described:
        if name in block.attrib:
            yield block.attrib[name]
        for element in block.iterfind(name):
            items = list(element.iter(f"{_RDF}li"))
            yield from (item.text or "" for item in items or [element])
