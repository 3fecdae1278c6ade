"""What is loaded once before a new web server takes over."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from mlcore.config import FloatMatrix
from tests.encoders import ColourEncoder

pytestmark = pytest.mark.django_db


def said() -> str:
    out = StringIO()
    call_command("warm_up", stdout=out)
    return out.getvalue()


@pytest.mark.usefixtures("indexed")
def test_words_and_pictures_are_encoded_once(
    colours: ColourEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def watched(name: str) -> Callable[[Any], FloatMatrix]:
        encode: Callable[[Any], FloatMatrix] = getattr(colours, name)

        def noted(what: Any) -> FloatMatrix:
            asked.append(name)
            return encode(what)

        return noted

    for name in ("encode_texts", "encode_images"):
        monkeypatch.setattr(colours, name, watched(name))
    assert said().startswith("Ready: ")
    assert asked == ["encode_texts", "encode_images"]


def test_a_site_without_pictures_starts_all_the_same() -> None:
    assert said().startswith("Nothing can be searched yet: ")
