"""Bytes of short texts whose encoding nobody told."""

import unicodedata

_LEGACY = ("cp1252", "mac_roman")
"""What programs for photographs wrote before UTF-8, on Windows and on the Mac."""

# Letters of the languages that those two were made for; the others they hold are rare.
_COMMON = frozenset("äöüßéèêëàâçîïôûùñáíóúãõåæøœ’‘“”„–—…«»¿¡ ©®™°")


def decode_text(data: bytes) -> str:
    """Decode a caption or a name: UTF-8 if it is that, else the likelier of the legacy encodings.

    Never raises. The two differ in every letter beyond ASCII, so one of them gives words and the
    other signs in the middle of words.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        readings = [data.decode(encoding, "replace") for encoding in _LEGACY]
        return min(readings, key=_oddities)


def _oddities(text: str) -> float:
    """Count what hardly ever stands in words."""
    found = 0.0
    for before, letter, after in zip(" " + text, text, text[1:] + " ", strict=False):
        if letter.isascii() and letter.isprintable():
            continue
        if not letter.isalpha():
            inside = before.isalpha() or after.isalpha()
            found += 2 if inside and unicodedata.category(letter)[0] in "SCMN" else 0
            found += 2 if letter in "†‡•¶§·¸ˆ˜¨´¯\ufffd" else 0
            found += 2 if letter in "–—" and before.isalpha() and after.isalpha() else 0
        elif letter.isupper() and before.isalpha() and (before.islower() or after.islower()):
            found += 2
        found += 0 if letter.casefold() in _COMMON or letter in "ß" else 0.5
    return found
