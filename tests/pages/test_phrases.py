"""Phrases of templates, which are looked up once per language."""

import pytest
from django.template import Context, Template
from django.utils.translation import override


def rendered(source: str, **values: object) -> str:
    return Template("{% load i18n %}" + source).render(Context(values))


@pytest.mark.parametrize(
    ("source", "english", "german"),
    [
        ('{% translate "Filters" %}', "Filters", "Filter"),
        ("{% trans 'Filters' %}", "Filters", "Filter"),
        ('{% translate "Search" context "navigation" %}', "Search", "Suche"),
        ('{% translate "Search" %}', "Search", "Suchen"),
    ],
)
def test_a_phrase_is_told_in_the_language_of_each_reader(
    source: str, english: str, german: str
) -> None:
    template = Template("{% load i18n %}" + source)
    for language, expected in [("en", english), ("de", german), ("en", english), ("de", german)]:
        with override(language):
            assert template.render(Context()) == expected


def test_what_depends_on_more_than_the_language_is_worked_out_each_time() -> None:
    template = Template(
        "{% load i18n %}{% translate phrase %}, {% translate ''|default:phrase %}, "
        "{% translate 'x'|default:'y' %}, {% translate 'Filters' as name %}{{ name }}{{ phrase }}"
    )
    for phrase in ("Filters", "Upload"):
        expected = f"{phrase}, {phrase}, x, Filters{phrase}"
        assert template.render(Context({"phrase": phrase})) == expected


def test_a_phrase_is_escaped_as_django_escapes_it() -> None:
    assert rendered('{% translate "<b>" %}') == "<b>"
    assert rendered("{% translate phrase %}", phrase="<b>") == "&lt;b&gt;"
    assert rendered('{% translate "100 %" %}') == "100 %"
