"""What people read: a code with parameters, put into words in the language of whoever reads it.

What happened is kept and passed on as a :class:`Message`. Its sentence stands in a catalogue, which
each package registers with :func:`add_messages`, and is looked up and translated only where it is
shown: on a page, in an answer of the API, on the command line.

The core speaks English. A program around it that knows more languages says once how they are
spoken (:func:`speak`); it is asked at the moment a sentence is made.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

Sentence: TypeAlias = str | tuple[str, str]
"""English with ``%(name)s`` for each parameter; one of two sentences goes by ``count``, as in
gettext: the first for one, the second for all other numbers."""


def _english_plural(singular: str, plural: str, count: int) -> str:
    return singular if count == 1 else plural


def _english_signs() -> tuple[str, str]:
    return ".", ","


_translate: Callable[[str], str] = str
_translate_plural: Callable[[str, str, int], str] = _english_plural
_signs = _english_signs
_sentences: dict[str, Sentence] = {}


@dataclass(frozen=True, slots=True)
class Message:
    """Something that is told to people: programs read the code, people the sentence (``str``).

    A code that no catalogue has (a later version may have dropped it) is shown as it is, with its
    parameters.
    """

    code: str
    """Lower-case words joined by ``_``, in groups by subject: ``dataset.no_pictures``."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """JSON values, messages, or lists of these. Whole numbers are written with the reader's signs;
    what is a name rather than a number, such as an id, is given as a string."""

    @classmethod
    def of(cls, code: str, /, **params: Any) -> Self:
        """Make a message from keyword arguments."""
        return cls(code, params)

    def __str__(self) -> str:
        sentence = _sentences.get(self.code)
        if sentence is None:
            return " ".join([self.code, *(f"{k}={_in_words(v)}" for k, v in self.params.items())])
        if isinstance(sentence, tuple):
            sentence = _translate_plural(*sentence, int(self.params["count"]))
        else:
            sentence = _translate(sentence)
        if not self.params:
            return sentence
        return sentence % {name: _in_words(value) for name, value in self.params.items()}

    def as_json(self) -> dict[str, Any]:
        """Return ``code`` and ``params`` as JSON values, messages among the parameters too."""
        return {
            "code": self.code,
            "params": {name: _as_json(value) for name, value in self.params.items()},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what :meth:`as_json` returned."""
        params = value.get("params", {})
        return cls(value["code"], {name: _from_json(each) for name, each in params.items()})


def add_messages(catalogue: Mapping[str, Sentence]) -> None:
    """Register the sentences of some codes.

    Raises:
        ValueError: a code stands for another sentence already.
    """
    for code, sentence in catalogue.items():
        if _sentences.setdefault(code, sentence) != sentence:
            raise ValueError(f"The code {code!r} stands for two sentences.")


def known_messages() -> Mapping[str, Sentence]:
    """Return the sentences of all codes that were registered."""
    return _sentences


def speak(
    translate: Callable[[str], str],
    signs: Callable[[], tuple[str, str]],
    translate_plural: Callable[[str, str, int], str] = _english_plural,
) -> None:
    """Say how people are spoken to from now on.

    Args:
        translate: from an English sentence, its placeholders unfilled, to the reader's language.
        signs: gives what stands before decimals, and between thousands.
        translate_plural: likewise for sentences that go by a number, as gettext's ``ngettext``.
    """
    global _translate, _signs, _translate_plural
    _translate, _signs, _translate_plural = translate, signs, translate_plural


def gettext_noop(sentence: str) -> str:
    """Mark a sentence that is translated when it is shown; it is returned as it is."""
    return sentence


def ngettext_noop(singular: str, plural: str) -> tuple[str, str]:
    """Mark two sentences likewise, of which one is chosen by ``count``."""
    return singular, plural


def gettext(sentence: str) -> str:
    """Return the sentence in the reader's language, or as it is."""
    return _translate(sentence)


def figure(value: float, form: str) -> str:
    """Write a number in a format of Python's, such as ``,.3f``, with the reader's signs."""
    point, comma = _signs()
    return format(value, form).translate({ord("."): point, ord(","): comma})


def _in_words(value: Any) -> str:
    if isinstance(value, Mapping) and "code" in value:  # a message that was kept as JSON
        return str(Message.from_json(value))
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_in_words, value))
    if isinstance(value, int) and not isinstance(value, bool):
        return figure(value, ",")
    return figure(value, ".3f") if isinstance(value, float) else str(value)


def _as_json(value: Any) -> Any:
    if isinstance(value, Message):
        return value.as_json()
    if isinstance(value, (list, tuple)):
        return [_as_json(each) for each in value]
    # What is no JSON value must not keep a failure from being written down.
    is_finite = not isinstance(value, float) or math.isfinite(value)
    is_plain = value is None or isinstance(value, (str, int, float, Mapping))
    return value if is_plain and is_finite else str(value)


def _from_json(value: Any) -> Any:
    if isinstance(value, Mapping) and "code" in value:
        return Message.from_json(value)
    return [_from_json(each) for each in value] if isinstance(value, list) else value
