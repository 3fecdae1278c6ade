"""Where index versions are kept: in files on this machine, or in a vector store on many.

``base`` has the one protocol; ``registry`` knows which stores there are and which one is meant;
``updates`` keeps versions up to date; ``reconcile`` compares them with the database. Each further
module is a store, or a part of one.

Nothing is imported here: the settings ask the registry before models can be loaded.
"""
