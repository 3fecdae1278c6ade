"""Word lists that several kinds of change look at."""

from __future__ import annotations


def listed(words: str) -> frozenset[str]:
    """Return the words of a text with blanks between."""
    return frozenset(words.split())


ARTICLES = frozenset({"a", "an", "the", "another", "one"})

POSSESSIVES = frozenset({"his", "her", "its", "their", "my", "your", "our"})

NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
"""From 2; one thing and several do not share their grammar."""

DETERMINERS = (
    ARTICLES
    | POSSESSIVES
    | frozenset(NUMBERS)
    | frozenset({"some", "several", "many", "this", "that", "these", "those", "each", "every"})
)

DIRECTIONS = listed(
    "through along across down up to toward towards into onto past around over off after from "
    "away out back down"
)

PREPOSITIONS = DIRECTIONS | listed(
    "in on at by near beside next with without of for under underneath beneath above below "
    "behind between among against inside outside during before as like atop alongside "
    "amid within"
)

FUNCTION_WORDS = (
    PREPOSITIONS
    | DETERMINERS
    | listed(
        "and or but while whilst when where who which whom is are was were be been being has have "
        "had does do did it he she they him them there then also not very together outdoors "
        "indoors nearby playfully happily quickly alone too so if because"
    )
)

PEOPLE = listed(
    "man men woman women boy boys girl girls person people child children kid kids baby babies "
    "lady ladies guy guys male female males females toddler toddlers teenager teenagers adult "
    "adults player players couple family families gentleman gentlemen individual individuals "
    "youth youths teen teens"
)

ANIMALS = listed(
    "dog dogs puppy puppies cat cats horse horses bird birds cow cows sheep greyhound greyhounds "
    "poodle terrier retriever lab bear duck ducks animal animals"
)

IRREGULAR_PLURALS = listed("men women children people feet sheep geese mice policemen")
