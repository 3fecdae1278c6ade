"""Addresses of pictures are those that the URLs give."""

import pytest
from django.urls import reverse, set_script_prefix

from gallery.rendering.addresses import picture_address


@pytest.mark.parametrize("view", ["gallery:image", "gallery:thumbnail", "api:image-detail"])
def test_an_address_is_what_reversing_gives(view: str) -> None:
    for pk in (1, 70_001, 2**63 - 1):
        assert picture_address(view, pk) == reverse(view, args=[pk])


def test_a_site_below_another_address_is_named_by_its_own() -> None:
    assert picture_address("gallery:image", 5) == "/images/5/"
    set_script_prefix("/pictures/")
    try:
        assert picture_address("gallery:image", 5) == "/pictures/images/5/"
    finally:
        set_script_prefix("/")
