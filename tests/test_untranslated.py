"""What people read on pages and in answers of the API is marked for translation, in all the source.

The rule, by place:

* what is put before people (:data:`TOLD`: messages of pages, errors of forms and of the API, stages
  of jobs, plain answers), labels, help texts and names of models and choices: no bare literal and
  no f-string with words. Either it goes through gettext, or it is a code of a catalogue;
* a number with signs between its thousands: through ``intcomma`` or ``mlcore.i18n.figure``, which
  know the reader's signs, and never ``f"{count:,}"``.

Expected failures and stages are codes: ``tests/mlcore/test_messages.py`` holds these against the
catalogues. The command line, system checks, logs, the answers of health checks and the reference
of the API (its schema) are English and free.
"""

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services import REPOSITORY

PACKAGES = ("contextvision_site", "gallery", "search", "mlcore")
ENGLISH = re.compile(r"/(management|commands|demo|migrations)/|/(__main__|checks|health)\.py$")
"""Files whose readers are operators: the command line, and what system and health checks say."""
REFERENCE = re.compile(r"/api/")
"""Files whose labels and help texts are the reference of the API."""

TOLD = {
    "messages.debug": 1, "messages.info": 1, "messages.success": 1, "messages.warning": 1,
    "messages.error": 1, "messages.add_message": 2, "add_error": 1,
    "ValidationError": 0, "ParseError": 0, "AuthenticationFailed": 0, "NotFound": 0,
    "PermissionDenied": 0, "NotAcceptable": 0, "TooLargeError": 0, "ProblemError": 1,
    "problem_response": 1, "Problem": 0, "HttpResponse": 0, "report": 2, "note": 0,
}  # fmt: skip
"""Functions and classes that show a text to people, with the place of the text among the
arguments."""
LABELS = {
    "label", "help_text", "verbose_name", "verbose_name_plural", "empty_label",
    "short_description", "description", "search_help_text", "default_detail",
}  # fmt: skip
"""Keyword arguments, and attributes of classes, that hold a text for people."""
RELATIONS = {"ForeignKey", "ManyToManyField", "OneToOneField"}
"""Fields whose first argument names a model."""


def faults(source: str, name: str = "/x.py") -> Iterator[tuple[int, str]]:
    """Yield the lines with what would be read as it stands, in whatever language."""
    if ENGLISH.search(name):
        return
    tree = ast.parse(source)
    for node in ast.walk(tree):
        match node:
            case ast.Call():
                yield from _told(node)
                if not REFERENCE.search(name):
                    yield from _labelled(node)
            case ast.FormattedValue(
                format_spec=ast.JoinedStr(values=[ast.Constant(value=str(how))])
            ):
                if "," in how:
                    yield node.lineno, "a number"
            case ast.ClassDef(bases=bases, body=body):
                choices = any(_dotted(base).endswith("Choices") for base in bases)
                for line in body:
                    yield from _assigned(line, choices=choices)


def _told(call: ast.Call) -> Iterator[tuple[int, str]]:
    called = _dotted(call.func)
    if called.endswith(".format") and isinstance(call.func, ast.Attribute):
        text = call.func.value
        if isinstance(text, ast.Constant) and re.search(r"\{[^}]*:[^}]*,", str(text.value)):
            yield call.lineno, "a number"
    match call:
        case ast.Call(func=ast.Name(id="format"), args=[_, ast.Constant(value=str(how))]) if (
            "," in how
        ):
            yield call.lineno, "a number"
    for end, place in TOLD.items():
        if called == end or called.endswith(f".{end}"):
            for text in call.args[place : place + 1]:
                yield from ((line, called) for line in _bare(text, words=1))


def _labelled(call: ast.Call) -> Iterator[tuple[int, str]]:
    for keyword in call.keywords:
        if keyword.arg in LABELS:
            yield from ((line, keyword.arg) for line in _bare(keyword.value, words=1))
    called = _dotted(call.func)
    kind = called.rpartition(".")[2]
    is_field = called.startswith("models.") and kind.endswith(("Field", "Key"))
    if is_field and kind not in RELATIONS:
        for text in call.args[:1]:
            yield from ((line, called) for line in _bare(text, words=1))


def _assigned(line: ast.stmt, *, choices: bool) -> Iterator[tuple[int, str]]:
    match line:
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in LABELS:
            yield from ((at, name) for at in _bare(value, words=1))
        case ast.Assign(value=ast.Tuple(elts=[_, label])) if choices:
            yield from ((at, "a choice") for at in _bare(label, words=1))


def _bare(text: ast.expr, words: int = 2) -> Iterator[int]:
    """Yield where a text has as many words that stand there as they are, in any of its parts."""
    match text:
        case ast.Constant(value=str(literal)) if _has_words(literal, words):
            yield text.lineno
        case ast.JoinedStr(values=parts):
            literal = "".join(str(part.value) for part in parts if isinstance(part, ast.Constant))
            if _has_words(literal, 1):
                yield text.lineno
        case ast.BinOp(left=left, right=right):
            yield from _bare(left, words)
            if isinstance(text.op, ast.Add):
                yield from _bare(right, words)
        case ast.IfExp(body=body, orelse=orelse):
            yield from _bare(body, words)
            yield from _bare(orelse, words)
        case ast.Dict(values=values):
            for value in values:
                yield from _bare(value, words)
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            for element in elements:
                yield from _bare(element, words)


def _has_words(literal: str, least: int) -> bool:
    return len(re.findall(r"(?<!\w)[A-Za-z][a-z]+(?![\w.]*[_.]\w)", literal)) >= least


def _dotted(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            return f"{_dotted(value)}.{name}"
    return ""


@pytest.mark.parametrize("package", PACKAGES)
def test_what_people_read_is_marked_for_translation(package: str) -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}:{line}: {what}"
        for path in sorted((REPOSITORY / package).rglob("*.py"))
        if path != REPOSITORY / "mlcore/i18n.py"
        for line, what in faults(
            path.read_text(encoding="utf-8"), f"/{path.relative_to(REPOSITORY)}"
        )
    ]
    assert found == []


PLANTED = """
messages.info(request, f"{job} is being stopped. What it has finished stays.")
messages.success(request, "The picture was saved.")
messages.error(request, gettext("Nothing was changed.") + " Try again later.")
raise ValidationError("Choose at least one picture.")
raise ValidationError({"limit": ["Choose a smaller number."]})
progress.report(1, 3, "Looking")
job.note(f"{stage}, and so on")
form.add_error(None, "Say what to change: every field is empty.")
raise exceptions.ParseError("The JSON is nested too deeply.") from error
raise TooLargeError(f"The picture holds {size} bytes.")
name = forms.CharField(label="Name")
name = models.CharField("name", max_length=5)
name = models.CharField(max_length=5, help_text="Of the new model.")
sentence % {"count": f"{count:,}"}
sentence % {"count": f"{share:,.2f}"}
sentence % {"count": format(count, ",")}
sentence % {"count": "{:,}".format(count)}
class State(models.TextChoices): LIVE = "live", "Live"
class Meta: verbose_name = "job"
"""


@pytest.mark.parametrize("planted", PLANTED.strip().splitlines())
def test_each_kind_of_fault_is_found(planted: str) -> None:
    assert len(list(faults(planted))) == 1


def test_what_is_marked_passes() -> None:
    source = """
        messages.info(request, gettext("%(job)s is being stopped.") % {"job": job})
        messages.success(request, " ".join(account(changed)))
        messages.error(request, str(error))
        raise ValidationError(_("Choose at least one picture."), code="no_picture")
        raise ValidationError({"limit": error.detail})
        progress.report(1, 3, Message("stage.looking"))
        raise JobError("job.has_ended", job=str(job))
        name = forms.CharField(label=_("Name"), help_text=gettext_lazy("Of it."))
        name = models.CharField(_("name"), max_length=5)
        image = models.ForeignKey("gallery.Image", verbose_name=_("image"))
        return HttpResponse(f"{code}", content_type="text/plain")
        sentence % {"count": intcomma(count), "share": figure(share, ",.2f")}
        class State(models.TextChoices): LIVE = "live", _("Live")
        class Meta: verbose_name = _("job")
    """
    assert list(faults("\n".join(textwrap.dedent(source).split("\n")))) == []


def test_the_command_line_is_english() -> None:
    line = 'self.stdout.write(f"{count:,} pictures")'
    assert list(faults(line, "/gallery/management/commands/demo.py")) == []
    assert list(faults(line, "/gallery/views/demo.py")) != []


def test_the_files_that_are_free_are_there() -> None:
    """A folder that is moved must not take its freedom to where people read."""
    paths = [
        f"/{path.relative_to(REPOSITORY)}"
        for package in PACKAGES
        for path in Path(REPOSITORY / package).rglob("*.py")
    ]
    free = {match.group(0) for path in paths if (match := ENGLISH.search(path))}
    assert free == {
        "/management/", "/commands/", "/demo/", "/migrations/", "/__main__.py", "/checks.py",
        "/health.py",
    }  # fmt: skip
