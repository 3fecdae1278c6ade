"""The words of pictures as the database's own full-text search finds them.

Texts are cut into words by :mod:`mlcore.words`, so that every database answers the same; the
database finds the rows that hold them: a tsvector with a GIN index in PostgreSQL, FTS5 in SQLite.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.db import models
from django.db.models.sql.compiler import SQLCompiler
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gallery.models.image import Image

FTS_TABLE = "gallery_imagetext_fts"
"""The table of SQLite that stands beside ``ImageText`` and follows it by triggers."""
VECTOR = "gallery_words_vector({column})"
"""What PostgreSQL has an index of: ``array_to_tsvector(string_to_array(lexemes, ' '))``. Lexemes
come as they are: its parser would cut them otherwise, and differently in each locale. A function of
its own tells the planner what it costs to make one of every row instead of asking the index."""

Lexemes: TypeAlias = tuple[str, ...]
"""Lexemes that must all be there; one that ends in ``*`` stands for all that begin so."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What a row must hold: of each group one of the alternatives."""

    groups: tuple[tuple[Lexemes, ...], ...]

    @classmethod
    def all_of(cls, groups: Sequence[Sequence[Lexemes]]) -> "Holding":
        return cls(tuple(tuple(group) for group in groups))

    def as_tsquery(self) -> str:
        return self._joined(" & ", " | ", lambda word: f"'{word}'", lambda word: f"'{word}':*")

    def as_fts5(self) -> str:
        return self._joined(" AND ", " OR ", lambda word: f'"{word}"', lambda word: f'"{word}"*')

    def _joined(self, both: str, either: str, whole: Any, beginning: Any) -> str:
        def alternative(lexemes: Lexemes) -> str:
            words = (beginning(w[:-1]) if w.endswith("*") else whole(w) for w in lexemes)
            return f"({both.join(words)})"

        return both.join(f"({either.join(map(alternative, group))})" for group in self.groups)


class LexemesField(models.TextField):  # type: ignore[type-arg]
    """Lexemes in one line, of letters, digits and colons; ``__holding`` asks for them."""


@LexemesField.register_lookup
class HoldingLookup(models.Lookup):
    """Keeps the rows that hold what a :class:`Holding` asks for."""

    lookup_name = "holding"
    prepare_rhs = False

    def as_postgresql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, list[Any]]:
        column, params = self.process_lhs(compiler, connection)
        vector = VECTOR.format(column=column)
        return f"{vector} @@ CAST(%s AS tsquery)", [*params, self.rhs.as_tsquery()]

    def as_sqlite(self, compiler: SQLCompiler, connection: Any) -> tuple[str, list[Any]]:
        key = compiler.quote_name_unless_alias(self.lhs.alias)
        table = connection.ops.quote_name(FTS_TABLE)
        found = f"SELECT rowid FROM {table} WHERE {table} MATCH %s"  # noqa: S608
        return f"{key}.image_id IN ({found})", [self.rhs.as_fts5()]


class ImageText(models.Model):
    """What is written on one picture, cut into words; made from its record and kept up to date by
    ``gallery.fulltext.upkeep``. In each field, values stand apart by a slash."""

    image = models.OneToOneField(
        Image,
        verbose_name=_("image"),
        primary_key=True,
        # A picture that is deleted leaves its words to be taken out of the counts first.
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="words",
    )
    title = models.TextField(_("title"), blank=True)
    caption = models.TextField(_("captions"), blank=True)
    tag = models.TextField(_("tags"), blank=True)
    file = models.TextField(_("file name"), blank=True)
    collection = models.TextField(_("collection"), blank=True)
    creator = models.TextField(_("creator"), blank=True)
    credit = models.TextField(_("credit"), blank=True)
    lexemes = LexemesField(_("lexemes"), blank=True)
    made_by = models.CharField(_("made by"), max_length=40)
    """The language, and the rules by which words were cut."""

    class Meta:
        verbose_name = _("words of a picture")
        verbose_name_plural = _("words of pictures")

    def __str__(self) -> str:
        return gettext("Words of picture %(image)s") % {"image": self.image_id}


class StaleText(models.Model):
    """A note that what is written on a picture changed; triggers of the database write it.

    Each change has a note of its own: one that two changes shared could be removed by whoever has
    seen but the first of them.
    """

    image_id = models.BigIntegerField(_("image"), db_index=True)

    class Meta:
        verbose_name = _("stale words")
        verbose_name_plural = _("stale words")

    def __str__(self) -> str:
        return str(self.image_id)


class Lexeme(models.Model):
    """A word of the whole gallery, and how many pictures hold it."""

    text = models.CharField(_("text"), max_length=80, primary_key=True)
    backwards = models.CharField(_("backwards"), max_length=80, blank=True, db_index=True)
    documents = models.BigIntegerField(_("pictures"), default=0)

    class Meta:
        verbose_name = _("lexeme")
        verbose_name_plural = _("lexemes")

    def __str__(self) -> str:
        return self.text
