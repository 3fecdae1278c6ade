"""The protocol ``flickr8k-judgements`` of ``evaluate``: do scores agree with people's?"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.commands.common import captioned, opened, write_json
from mlcore.config import ImageLimits
from mlcore.datasets import CaptionDataset
from mlcore.evaluation.encoding import encode_pictures
from mlcore.evaluation.judgements import (
    PUBLISHED,
    PUBLISHED_TAU,
    AgreementResult,
    Kind,
    Scores,
    judge,
    read_judgements,
    score_pairs_of,
)
from mlcore.progress import ProgressBar

if TYPE_CHECKING:
    from mlcore.encoders import Encoder
    from mlcore.evaluation.held_caption import Weighing

JUDGEMENTS = "flickr8k-judgements"


def run_judgements(
    options: argparse.Namespace, files: Mapping[Kind, Path], encoder: Encoder, weighing: Weighing
) -> int:
    """Compare one model's scores with people's, and return the exit status."""
    results, sentences = [], weighing.sentences
    with opened(options) as source, ProgressBar() as bar:
        data = captioned(source, options.split, options.dataset)

        def score(
            judged: CaptionDataset, rows: Sequence[int], texts: Sequence[str]
        ) -> dict[str, Scores]:
            [pictures] = encode_pictures(encoder, judged, ImageLimits(), bar)
            return score_pairs_of(
                pictures,
                [image.captions for image in judged],
                rows,
                texts,
                encode=encoder.encode_texts,
                encode_sentences=sentences.encode_texts if sentences else None,
                model=weighing.relevance,
            )

        for kind, path in files.items():
            found, damaged = read_judgements(path, kind)
            results.append(judge(kind, found, damaged, data, score))
    if options.json:
        write_json({one.kind: one.as_dict() for one in results})
    else:
        for one in results:
            _write(one)
    return 0


def _write(result: AgreementResult) -> None:
    sys.stdout.write(
        f"{result.kind} judgements: {result.judgements} of {result.pairs} pairs; left out: "
        f"{result.own} with the picture's own caption, {result.absent} absent, "
        f"{result.damaged} damaged lines\n"
    )
    for name, tau_c in result.tau_c.items():
        sys.stdout.write(f"  {name:<14}tau_c {tau_c:7.4f}   tau_b {result.tau_b[name]:7.4f}\n")
    for name, tau in PUBLISHED[result.kind].items():
        sys.stdout.write(f"  {name:<14}tau_{PUBLISHED_TAU[result.kind]} {tau:7.3f}   published\n")
