"""Filters in the expression language of Milvus."""

from mlcore.config import IdVector
from mlcore.vectorstore.filters import Conditions

ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"})
"""All that may not stand in a quoted string. Everything else stands for itself: \\u is not
understood by every engine that speaks the language."""


def literal(text: str) -> str:
    """Quote a text so that nothing in it is read as anything but text."""
    return f'"{text.translate(ESCAPES)}"'


def expression(conditions: Conditions, *, denied: IdVector) -> str:
    """Write conditions, and ids that may not pass, as one expression; empty when all may."""
    terms = []
    if conditions.collection:
        terms.append(f"collection == {literal(conditions.collection)}")
    if conditions.split:
        terms.append(f"split == {literal(conditions.split)}")
    terms += [f"ARRAY_CONTAINS(tags, {literal(tag)})" for tag in conditions.tags]
    if conditions.audience is not None:
        user = conditions.audience.user
        terms.append("public == true" if user is None else f"(public == true or owner == {user:d})")
    if len(denied):
        terms.append(f"not ({among(denied)})")
    return " and ".join(terms)


def among(ids: IdVector) -> str:
    """Write that the id is one of these."""
    return f"id in {ids.tolist()}"
