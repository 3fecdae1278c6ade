"""Answers tell no path of the server: of where something lies, its own name is enough."""

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from mlcore.i18n import Message

_PATH = re.compile(r"(?<![\w.:/])/(?:[^\s/'\",;:()]+/)+([^\s/'\",;:()]*)")
"""Of two parts or more, within a sentence of another program."""


def without_paths(value: Any) -> Any:
    """Return a message, a text or a list of such with the last part of each path alone."""
    if isinstance(value, Message):
        return Message(value.code, {name: without_paths(p) for name, p in value.params.items()})
    if isinstance(value, Mapping):
        return {name: without_paths(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_paths(each) for each in value]
    if not isinstance(value, str):
        return value
    return PurePath(value).name if _is_path(value) else _PATH.sub(r"\1", value)


def _is_path(text: str) -> bool:
    return text.count("/") > 1 and PurePath(text).is_absolute() and "\n" not in text
