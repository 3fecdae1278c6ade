"""Which encoding a listing or a name in an archive is written in, where nobody says."""

import re
from collections.abc import Sequence

from charset_normalizer import from_bytes

from mlcore.metadata.text import decode_text

_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_RUNS = re.compile(rb"[\x80-\xff][\x40-\xff]*[\x80-\xff][\x40-\xff]*")
_OTHER_SCRIPTS = [
    "cp932", "gb18030", "big5", "cp949", "euc_jp", "cp1251", "koi8_r", "cp1253", "cp1255", "cp1256",
]  # fmt: skip
_HALVES = re.compile(rb"[\x81-\x9f\xe0-\xfc]\\")
_KANA = re.compile("[\u3040-\u30ff]")
SAMPLE = 200_000
"""Bytes looked at to tell an encoding; enough for any, and quick."""


def decode_listing(data: bytes) -> tuple[str, str]:
    """Return a listing's text and the name of its encoding; "" where that is UTF-8 or marked.

    Never raises: of what is in no encoding that is known, the bytes in doubt become marks.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace"), ""
    for encoding, zeros in (("utf-16-le", data[1:SAMPLE:2]), ("utf-16-be", data[0:SAMPLE:2])):
        # Of a Latin text in UTF-16 nearly every second byte is zero.
        if len(zeros) > 4 and zeros.count(0) > len(zeros) * 0.7:
            return data.decode(encoding, "replace"), encoding
    try:
        return data.decode("utf-8"), ""
    except UnicodeDecodeError:
        encoding = guess_encoding(data)
        return data.decode(encoding, "replace"), encoding


def guess_encoding(data: bytes) -> str:
    """Name the likeliest encoding of bytes that are not UTF-8."""
    sample = _whole_lines(data)
    high = sum(byte >= 0x80 for byte in sample)
    letters = sum(chr(byte).isalpha() for byte in sample if byte < 0x80)
    if high <= letters / 3 and not _mostly_runs(sample, high):
        return _western(sample)
    for encoding in ("cp932", "euc_jp"):
        try:
            text = sample.decode(encoding)
        except UnicodeDecodeError:
            continue
        beyond = sum(not character.isascii() for character in text)
        if len(_KANA.findall(text)) > beyond / 5:
            return encoding
    best = from_bytes(sample, cp_isolation=_OTHER_SCRIPTS).best()
    return best.encoding if best is not None else _western(sample)


def guess_name_encoding(names: Sequence[bytes]) -> str:
    """Name the encoding of old archives' names: code page 437, or what its letters give away.

    Text of another script is full of frames and mathematical signs in code page 437.
    """
    joined = b"\n".join(names)
    text = joined.decode("cp437")
    signs = sum("\u2500" <= character <= "\u25ff" or character in _SIGNS for character in text)
    letters = sum(character.isalpha() and not character.isascii() for character in text)
    # Where a backslash comes right behind, it may be the second half of a character.
    halves = _HALVES.search(joined) is not None
    if signs == 0 and not halves and letters <= sum(character.isascii() for character in text):
        return "cp437"
    try:
        text = joined.decode("cp932")
        wide = sum(_is_cjk(character) for character in text)
        if wide and not any("\uff61" <= character <= "\uff9f" for character in text):
            return "cp932"
    except UnicodeDecodeError:
        pass
    best = from_bytes(joined, cp_isolation=[*_OTHER_SCRIPTS, "cp866"]).best()
    return best.encoding if best is not None else "cp437"


_SIGNS = frozenset("±≥≤⌠⌡÷≈°∙·√ⁿ²αΓπΣσµτΦΘΩδ∞φε∩≡")


def _is_cjk(character: str) -> bool:
    return "\u3040" <= character <= "\u9fff"


def _whole_lines(data: bytes) -> bytes:
    """Cut a sample at the end of a line, so that no character is cut in two."""
    if len(data) <= SAMPLE:
        return data
    return data[: data.rfind(b"\n", 0, SAMPLE) + 1] or data[:SAMPLE]


def _mostly_runs(sample: bytes, high: int) -> bool:
    """Tell scripts of several letters beyond ASCII in a row from single accents."""
    in_runs = sum(len(run) for run in _RUNS.findall(sample) if len(run) > 3)
    return in_runs > high / 2 and high > 3


def _western(sample: bytes) -> str:
    return "mac_roman" if decode_text(sample) == sample.decode("mac_roman") else "cp1252"
