"""Stems, and the words that say nothing."""

import re
import threading
from functools import lru_cache

import snowballstemmer

from mlcore.words.tokens import fold, joined, parts

LANGUAGES = ("none", *snowballstemmer.algorithms())
"""Languages whose words have stems; ``none`` leaves every word as it is."""

_STOP_WORDS = {
    "english": """
        a about above after again against all also am an and any are as at be because been before
        being below between both but by can could d did do does doing don down during each else few
        for from further had has have having he her here hers herself him himself his how i if in
        into is it its itself just ll m me more most my myself no nor not now of off on once only or
        other our ours ourselves out over own re s same she should so some such t than that the
        their theirs them themselves then there these they this those through to too under until up
        us ve very was we were what when where which while who whom why will with without would you
        your yours yourself yourselves
    """,
    "german": """
        aber alle allem allen aller alles als also am an ander andere anderem anderen anderer
        anderes auch auf aus bei beim bin bis bist da dabei damit dann das dass dasselbe dazu dein
        deine deinem deinen deiner dem den denn der derer des dessen die dies diese diesem diesen
        dieser dieses doch dort du durch ein eine einem einen einer eines einige einigem einigen
        einiger einiges er es etwas euch euer eure eurem euren eurer für gegen gewesen hab habe
        haben hat hatte hatten hier hin hinter ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im in
        indem ins ist ja jede jedem jeden jeder jedes jene jenem jenen jener jenes jetzt kann kein
        keine keinem keinen keiner keines können könnte mache man manche manchem manchen mancher
        manches mein meine meinem meinen meiner mich mir mit muss musste nach nicht nichts noch nun
        nur ob oder ohne sehr sein seine seinem seinen seiner selbst sich sie sind so solche solchem
        solchen solcher solches soll sollte sondern sonst über um und uns unser unsere unserem
        unseren unserer unter viel vom von vor während war waren warst was weg weil weiter welche
        welchem welchen welcher welches wenn werde werden wie wieder will wir wird wirst wo wollen
        wollte würde würden zu zum zur zwar zwischen
    """,
}

_HAS_DIGIT = re.compile(r"\d")


class Language:
    """How words of a language are reduced to what their forms have in common.

    Safe to share between threads. Stems are remembered, since most words come again.
    """

    def __init__(self, name: str = "english") -> None:
        """Raises ValueError where ``name`` is not one of :data:`LANGUAGES`."""
        if name not in LANGUAGES:
            raise ValueError(f"{name!r} is no language of words; known: {', '.join(LANGUAGES)}.")
        self.name = name
        self._stemmer = None if name == "none" else snowballstemmer.stemmer(name)
        self._lock = threading.Lock()
        stop = {word for words in (_STOP_WORDS.get(name, ""),) for word in words.split()}
        self._stop = frozenset(fold(word) for word in stop)
        self.stem = lru_cache(maxsize=200_000)(self._stem)
        """``stem(word)`` of a folded word or the part of a token; what holds digits is its own."""
        self.keys = lru_cache(maxsize=200_000)(self._keys)
        """``keys(token)``: stems under which a token is found, that of the whole first."""

    def __repr__(self) -> str:
        return f"Language({self.name!r})"

    def is_stop(self, word: str) -> bool:
        """Tell whether a folded word says next to nothing, as "the" and "with"."""
        return word in self._stop

    def _stem(self, word: str) -> str:
        if self._stemmer is None or _HAS_DIGIT.search(word):
            return word
        with self._lock:  # a stemmer keeps the word that it works at in itself
            return fold(self._stemmer.stemWord(word)) or word

    def _keys(self, token: str) -> tuple[str, ...]:
        if "_" not in token:
            return (self.stem(token),)
        stems = (self.stem(each) for each in (joined(token), *parts(token)))
        return tuple(dict.fromkeys(stems))
