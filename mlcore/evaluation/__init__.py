"""Evaluation: how often, and how high up, the right pictures come back, and how sure that is.

Names follow information retrieval. *Recall@k* is the share of the relevant items among the first
k; *hit rate@k* is whether any relevant item is among them. Papers about CLIP call the second one
"R@k". With one relevant item per query the two are equal.
"""

from mlcore.evaluation.comparison import Comparison, Difference, QueryChange, compare
from mlcore.evaluation.composition import (
    CompositionResult,
    Example,
    KindResult,
    evaluate_composition,
)
from mlcore.evaluation.encoding import EvaluationStoppedError
from mlcore.evaluation.metrics import DirectionMetrics, retrieval_metrics
from mlcore.evaluation.protocols import evaluate_retrieval
from mlcore.evaluation.ranking import TIE
from mlcore.evaluation.results import (
    REFERENCE_100,
    EvalConfig,
    QueryOutcome,
    RetrievalMetrics,
)

__all__ = [
    "REFERENCE_100",
    "TIE",
    "Comparison",
    "CompositionResult",
    "Difference",
    "DirectionMetrics",
    "EvalConfig",
    "EvaluationStoppedError",
    "Example",
    "KindResult",
    "QueryChange",
    "QueryOutcome",
    "RetrievalMetrics",
    "compare",
    "evaluate_composition",
    "evaluate_retrieval",
    "retrieval_metrics",
]
