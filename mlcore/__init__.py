"""The machine-learning core: encoders, query composition, vector index, training, evaluation.

Plain Python that never imports Django. Importing this package, or any module in it, loads neither
torch nor faiss: both take seconds to import, so functions import them when they are first needed.
"""

from mlcore import messages  # noqa: F401  (registers the sentences of every code)

__version__ = "0.2.0"
