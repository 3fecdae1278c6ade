"""The core's sentences and figures for people, in the language of whoever is there to read them.

The core speaks English. A program around it that knows more languages says once how they are
spoken; it is asked at the moment a sentence is made.
"""

from collections.abc import Callable


def _english_signs() -> tuple[str, str]:
    return ".", ","


_translate: Callable[[str], str] = str
_signs = _english_signs


def speak(translate: Callable[[str], str], signs: Callable[[], tuple[str, str]]) -> None:
    """Say how people are spoken to from now on.

    Args:
        translate: from an English sentence, its placeholders unfilled, to the reader's language.
        signs: gives what stands before decimals, and between thousands.
    """
    global _translate, _signs
    _translate, _signs = translate, signs


def gettext_noop(sentence: str) -> str:
    """Mark a sentence that is translated when it is shown; it is returned as it is."""
    return sentence


def gettext(sentence: str) -> str:
    """Return the sentence in the reader's language, or as it is."""
    return _translate(sentence)


def figure(value: float, form: str) -> str:
    """Write a number in a format of Python's, such as ``,.3f``, with the reader's signs."""
    point, comma = _signs()
    return format(value, form).translate({ord("."): point, ord(","): comma})
