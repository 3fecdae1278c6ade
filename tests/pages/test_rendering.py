"""What makes pages quick: phrases, icons and templates without their indentation."""

import pytest
from django.conf import settings
from django.template import Context, Template, TemplateSyntaxError
from django.template.base import TextNode
from django.utils.translation import override

from gallery.rendering.compact import compact


def rendered(source: str, **values: object) -> str:
    return Template("{% load cached_i18n %}" + source).render(Context(values))


@pytest.mark.parametrize(
    ("source", "english", "german"),
    [
        ('{% translate "Filters" %}', "Filters", "Filter"),
        ("{% trans 'Filters' %}", "Filters", "Filter"),
        ('{% translate "Search" context "navigation" %}', "Search", "Suche"),
        ('{% translate "Search" %}', "Search", "Suchen"),
        ("{% blocktranslate trimmed %}\n  Filters\n{% endblocktranslate %}", "Filters", "Filter"),
    ],
)
def test_a_phrase_is_told_in_the_language_of_each_reader(
    source: str, english: str, german: str
) -> None:
    template = Template("{% load cached_i18n %}" + source)
    for language, expected in [("en", english), ("de", german), ("en", english), ("de", german)]:
        with override(language):
            assert template.render(Context()) == expected


def test_what_depends_on_more_than_the_language_is_worked_out_each_time() -> None:
    template = Template(
        "{% load cached_i18n %}{% translate phrase %}, {% translate ''|default:phrase %}, "
        "{% translate 'x'|default:'y' %}, {% translate 'Filters' as name %}{{ name }}{{ phrase }}, "
        "{% blocktranslate %}{{ phrase }}!{% endblocktranslate %}, "
        "{% blocktranslate with word=phrase %}{{ word }}!{% endblocktranslate %}"
    )
    for phrase in ("Filters", "Upload"):
        expected = f"{phrase}, {phrase}, x, Filters{phrase}, {phrase}!, {phrase}!"
        with override("en"):
            assert template.render(Context({"phrase": phrase})) == expected


def test_a_phrase_is_escaped_as_django_escapes_it() -> None:
    assert rendered('{% translate "<b>" %}') == "<b>"
    assert rendered("{% translate phrase %}", phrase="<b>") == "&lt;b&gt;"
    assert rendered('{% translate "100 %" %}') == "100 %"


def test_an_icon_is_text_once_its_template_is_compiled() -> None:
    template = Template('{% load icons %}<b>{% icon "search" %}</b>')
    assert all(isinstance(node, TextNode) for node in template.nodelist[1:])
    drawing = (settings.BASE_DIR / "templates/icons/search.svg").read_text()
    assert template.render(Context()) == f"<b>{drawing}</b>"


@pytest.mark.parametrize("written", ["{% icon %}", "{% icon search %}", '{% icon "a" "b" %}'])
def test_an_icon_is_named_in_quotes(written: str) -> None:
    with pytest.raises(TemplateSyntaxError, match=r'write \{% icon "name" %\}'):
        Template("{% load icons %}" + written)


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("<ul>\n  <li>One  two</li>\n\n  <li>\n    3\n  </li>\n</ul>",
         "<ul>\n<li>One  two</li>\n<li>\n3\n</li>\n</ul>"),
        ('<a\n  class="x"\n  href="{{ url }}"\n>Go</a>', '<a class="x" href="{{ url }}">Go</a>'),
        ("<img\n  alt=''\n/>", "<img alt=''/>"),
        ('<a\n  href="/"\n  {% if here > 1 %}aria-current="page"{% endif %}\n>',
         '<a href="/"{% if here > 1 %} aria-current="page"{% endif %}>'),
        ('<p\n  {% if a %}\n    id="a"\n    dir="ltr"\n  {% else %}\n    id="b"\n  {% endif %}\n>',
         '<p{% if a %} id="a" dir="ltr"{% else %} id="b"{% endif %}>'),
        ('<p class="a{% if b %} c{% endif %}">', '<p class="a{% if b %} c{% endif %}">'),
        ('<b title="{% translate "a > b" %}"\n  id="c"\n>',
         '<b title="{% translate "a > b" %}" id="c">'),
        ("{% if a < b %}\n  x\n{% endif %}", "{% if a < b %}\nx\n{% endif %}"),
    ],
)  # fmt: skip
def test_a_template_is_made_compact(written: str, sent: str) -> None:
    assert compact(written) == sent
