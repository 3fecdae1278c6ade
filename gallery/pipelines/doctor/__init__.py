"""Looks whether what belongs together is there and whole, and mends what can be made again.

A module a subject; each has checks, which :mod:`.examination` runs in order. What is kept twice is
compared, and the copy follows the truth: originals and rows are the truth, sizes of pictures,
vectors, words and indexes are made of them.
"""
