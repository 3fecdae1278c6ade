"""Addresses of pictures. A page holds a hundred of them, and they differ in the id alone."""

from functools import cache

from django.urls import get_script_prefix, reverse

_ANY_ID = 2**63 - 1


def picture_address(view_name: str, pk: int) -> str:
    """Return what ``reverse(view_name, args=[pk])`` does, in a fraction of the time."""
    before, behind = _around_id(view_name, get_script_prefix())
    return f"{before}{pk}{behind}"


def address(view_name: str) -> str:
    """Return what ``reverse(view_name)`` does, looked up once."""
    return _address(view_name, get_script_prefix())


@cache
def _address(view_name: str, script_prefix: str) -> str:
    return reverse(view_name)


@cache
def _around_id(view_name: str, script_prefix: str) -> tuple[str, str]:
    before, _, behind = reverse(view_name, args=[_ANY_ID]).partition(str(_ANY_ID))
    return before, behind
