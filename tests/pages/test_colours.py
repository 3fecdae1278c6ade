"""Contrast of the site's colours, light and dark (WCAG 2.2, success criteria 1.4.3 and 1.4.11)."""

import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

TEXT, EDGE = 4.5, 3.0
PAIRS = [
    *((ink, ground, TEXT) for ink in ("ink", "ink-soft", "accent") for ground in
      ("canvas", "surface", "sunken")),
    *((state, f"{state}-tint", TEXT) for state in ("good", "warn", "bad", "defect")),
    *(("ink", f"{state}-tint", TEXT) for state in ("accent", "good", "warn", "bad", "defect")),
    ("accent-strong", "accent-tint", TEXT),
    ("accent-strong", "canvas", TEXT),
    ("on-accent", "accent", TEXT),
    ("on-accent", "accent-strong", TEXT),
    ("bad", "surface", TEXT),
    ("surface", "bad", TEXT),
    ("edge", "surface", EDGE),
    ("edge", "canvas", EDGE),
    ("accent", "canvas", EDGE),
]  # fmt: skip


def tokens() -> dict[str, dict[str, str]]:
    path = finders.find("contextvision/css/base.css")
    assert isinstance(path, str)
    light, dark = Path(path).read_text().split("@media (prefers-color-scheme: dark)")
    colours = re.compile(r"--([\w-]+): (#[0-9a-f]{6});")
    return {
        "light": dict(colours.findall(light)),
        "dark": dict(colours.findall(light)) | dict(colours.findall(dark)),
    }


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in channels
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_reckoned_as_in_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "ground", "least"), PAIRS)
def test_text_can_be_read(scheme: str, ink: str, ground: str, least: float) -> None:
    colours = tokens()[scheme]
    assert contrast(colours[ink], colours[ground]) >= least
