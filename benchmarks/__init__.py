"""The benchmark: how fast the program is, beside what people would use instead.

``harness`` runs measurements turn about and writes the report; ``core`` measures what needs no
database, ``site`` whole requests to a web server. None of it is part of the product.
"""
