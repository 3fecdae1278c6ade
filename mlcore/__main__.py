"""``python -m mlcore``: encode, index, search, train and evaluate without Django or a database."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlcore.checkpoints import read_json
from mlcore.datasets import CaptionDataset
from mlcore.decoding import get_decoder
from mlcore.encoder import load_encoder
from mlcore.errors import (
    CheckpointError,
    ContextVisionError,
    DatasetError,
    ImageRejectedError,
    IndexFileError,
    InvalidQueryError,
)
from mlcore.evaluation import EvalConfig, RetrievalMetrics, evaluate_retrieval
from mlcore.index import VectorIndex
from mlcore.layouts import Source, SourceRecord, open_source
from mlcore.progress import ProgressBar
from mlcore.query import QueryPart, compose_query, normalise_text
from mlcore.starter import STARTER
from mlcore.training import TrainConfig, fine_tune

if TYPE_CHECKING:
    from PIL import Image

    from mlcore.encoder import Encoder

PICTURES = "pictures.json"
"""Beside an index: which picture each id is, and which model made the vectors."""

BATCH = 32
"""Pictures encoded at a time."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, or 1 after a failure, told in one line."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except ContextVisionError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        return 130
    return status


def _encode(options: argparse.Namespace) -> int:
    if not options.text and not options.image:
        raise InvalidQueryError("Nothing to encode: give --text or --image.")
    encoder = load_encoder(options.model, device=options.device)
    answer: dict[str, Any] = _about(encoder) | {"texts": [], "images": []}
    for text, vector in zip(options.text, encoder.encode_texts(options.text), strict=True):
        answer["texts"].append(
            {"text": text, "truncated": encoder.is_truncated(text), "vector": vector.tolist()}
        )
    pictures = [_picture(path, encoder.image_size) for path in options.image]
    for path, vector in zip(options.image, encoder.encode_images(pictures), strict=True):
        answer["images"].append({"image": str(path), "vector": vector.tolist()})
    _write_json(answer)
    return 0


def _index(options: argparse.Namespace) -> int:
    out: Path = options.out
    if out.exists():
        raise IndexFileError(f"{out} exists already; choose a folder that does not exist.")
    encoder = load_encoder(options.model, device=options.device)
    names: list[str] = []
    vectors: list[np.ndarray[Any, Any]] = []
    refused = 0
    with open_source(options.folder) as source, ProgressBar() as bar:
        for seen, good in _readable_batches(source, encoder.image_size):
            if good:
                vectors.append(encoder.encode_images([square for _, square in good]))
                names += [name for name, _ in good]
            refused = seen - len(names)
            bar.report(seen, source.total or 0)
    if not names:
        raise DatasetError(f"{options.folder} holds no picture that can be read.")
    index = VectorIndex.build(
        np.arange(len(names), dtype=np.int64),
        np.concatenate(vectors),
        fingerprint=encoder.fingerprint,
    )
    temporary = out.parent / f".tmp-{uuid.uuid4().hex}"
    try:
        index.save(temporary / "index")
        (temporary / PICTURES).write_text(
            json.dumps({"model": encoder.name, "folder": str(options.folder), "names": names}),
            encoding="utf-8",
        )
        temporary.rename(out)
    except OSError as error:
        raise IndexFileError(f"{out} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sys.stdout.write(f"Indexed {len(names)} pictures in {out}; {refused} could not be read.\n")
    return 1 if refused else 0


def _search(options: argparse.Namespace) -> int:
    try:
        listed = read_json(options.index / PICTURES)
        names, model = list(listed["names"]), str(listed["model"])
    except (CheckpointError, KeyError, TypeError) as error:
        raise IndexFileError(
            f"{options.index} is not an index of 'python -m mlcore index', or is damaged."
        ) from error
    wanted = normalise_text(options.text or "")
    unwanted = [text for one in options.unwanted if (text := normalise_text(one))]
    encoder = load_encoder(options.model or model, device=options.device)
    index = VectorIndex.load(options.index / "index", fingerprint=encoder.fingerprint)
    parts: list[QueryPart] = []
    if wanted:
        parts.append(QueryPart(encoder.encode_texts([wanted]), 1.0, "text"))
    if options.image:
        picture = _picture(options.image, encoder.image_size)
        parts.append(QueryPart(encoder.encode_images([picture]), 1.0, "image"))
    parts += [QueryPart(encoder.encode_texts([text]), -0.5, "text") for text in unwanted]
    for text in [wanted, *unwanted]:
        if encoder.is_truncated(text):
            sys.stderr.write(f"The text is longer than the model reads; its end was cut: {text}\n")
    query = compose_query(parts, gallery=index.sample())
    (hits,) = index.search(query, options.k)
    if options.json:
        found = [{"image": names[hit.image_id], "score": round(hit.score, 4)} for hit in hits]
        _write_json(_about(encoder) | {"results": found})
    else:
        for hit in hits:
            sys.stdout.write(f"{hit.score:6.3f}  {names[hit.image_id]}\n")
    return 0


def _train(options: argparse.Namespace) -> int:
    config = replace(
        TrainConfig(), epochs=options.epochs, seed=options.seed, cache_dir=options.cache
    )
    with open_source(options.dataset) as source, ProgressBar() as bar:
        data = _captioned(source, options.split, options.dataset)
        held = None
        if options.hold_out:
            data, held = data.hold_out(options.hold_out, seed=options.seed)
        result = fine_tune(options.base, data, config, out_dir=options.out, progress=bar)
        sys.stdout.write(
            f"Trained on {result.pictures} pictures with {result.captions} captions in "
            f"{result.seconds:.0f} s; last loss {result.losses[-1]:.3f}, logit scale "
            f"{result.logit_scale:.1f}. The model is in {result.directory}.\n"
        )
        if held is not None:
            metrics = evaluate_retrieval(
                load_encoder(result.directory), held, EvalConfig(), progress=bar
            )
            _write_metrics(metrics)
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    encoder = load_encoder(options.model, device=options.device)
    config = EvalConfig(protocol=options.protocol, gallery=options.gallery, seed=options.seed)
    with open_source(options.dataset) as source, ProgressBar() as bar:
        data = _captioned(source, options.split, options.dataset)
        metrics = evaluate_retrieval(encoder, data, config, progress=bar)
    if options.json:
        _write_json(metrics.as_dict())
    else:
        _write_metrics(metrics)
    return 0


def _captioned(source: Source, split: str | None, path: Path) -> CaptionDataset:
    # "dev" and "validation" are other people's words for what the layouts call "val".
    name = {"dev": "val", "validation": "val"}.get(split, split) if split else None
    return CaptionDataset.from_records(source, split=name, source=str(path))


def _readable_batches(
    source: Source, side: int
) -> Iterator[tuple[int, list[tuple[str, Image.Image]]]]:
    """Yield how many records were seen so far, and the readable pictures since the last time.

    What cannot be read is named on standard error and passed over.
    """
    seen = 0
    batch: list[tuple[str, bytes]] = []

    def decoded() -> list[tuple[str, Image.Image]]:
        good = []
        for (name, _), square in zip(batch, get_decoder().squares(batch, side), strict=True):
            if isinstance(square, ImageRejectedError):
                sys.stderr.write(f"{square}\n")
            else:
                good.append((name, square))
        return good

    for record in source:
        seen += 1
        data = _bytes_of(record)
        if data is not None:
            batch.append((record.name, data))
        if len(batch) == BATCH:
            yield seen, decoded()
            batch.clear()
    yield seen, decoded()


def _bytes_of(record: SourceRecord) -> bytes | None:
    try:
        return record.read()
    except ImageRejectedError as error:
        sys.stderr.write(f"{error}\n")
        return None


def _picture(path: Path, side: int) -> Image.Image:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageRejectedError(str(path), f"cannot be read ({error.strerror}).") from error
    return get_decoder().square(data, name=str(path), side=side)


def _about(encoder: Encoder) -> dict[str, Any]:
    return {
        "model": encoder.name,
        "fingerprint": encoder.fingerprint,
        "dim": encoder.dim,
        "runtime": encoder.runtime,
    }


def _write_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _write_metrics(metrics: RetrievalMetrics) -> None:
    whole = metrics.as_dict()
    spread, reference = whole.get("spread", {}), whole.get("reference", {})
    for direction in ("text_to_image", "image_to_text"):
        figures = whole[direction]
        if figures is None:
            continue
        asked, among = figures.pop("queries"), figures.pop("gallery")
        sys.stdout.write(
            f"{direction.replace('_', ' ')} ({metrics.config.protocol}): {asked} queries, "
            f"gallery of {among}\n"
        )
        for name, value in figures.items():
            line = f"  {name:<14}{value:8.4f}"
            if name in spread:
                line += f" ± {spread[name]:.4f}"
            if name in reference:
                line += f"   reference {reference[name]:.3f}"
            sys.stdout.write(line + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mlcore", description=__doc__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    def add_model(command: argparse.ArgumentParser, default: str | None = STARTER) -> None:
        command.add_argument(
            "--model", default=default, help="starter, a folder, or a name on the hub"
        )
        command.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")

    encode = add("encode", _encode, "Print the vectors of texts and pictures as JSON.")
    encode.add_argument("--text", nargs="+", default=[], metavar="TEXT")
    encode.add_argument("--image", nargs="+", default=[], type=Path, metavar="FILE")
    add_model(encode)

    index = add("index", _index, "Encode the pictures of a folder and write an index.")
    index.add_argument("folder", type=Path, help="a folder or zip archive in any known layout")
    index.add_argument("--out", type=Path, required=True, help="a folder that does not exist yet")
    add_model(index)

    search = add("search", _search, "Search an index by text, by a picture, or by both.")
    search.add_argument("text", nargs="?")
    search.add_argument("--index", type=Path, required=True, help="a folder that 'index' wrote")
    search.add_argument("--image", type=Path, metavar="FILE")
    search.add_argument(
        "--not", dest="unwanted", action="append", default=[], metavar="TEXT",
        help="what the pictures should not show; may be repeated",
    )  # fmt: skip
    search.add_argument("-k", type=_positive, default=10, help="how many results (10)")
    search.add_argument("--json", action="store_true")
    add_model(search, default=None)

    train = add("train", _train, "Train the starter's heads on captioned pictures.")
    train.add_argument("--dataset", type=Path, required=True)
    train.add_argument("--out", type=Path, required=True, help="a folder that does not exist yet")
    train.add_argument("--split", default="train", help="the split to learn from (train)")
    train.add_argument("--base", default=STARTER, help="the model to start from (starter)")
    train.add_argument("--epochs", type=_positive, default=TrainConfig().epochs)
    train.add_argument("--seed", type=int, default=TrainConfig().seed)
    train.add_argument("--cache", type=Path, help="keep the towers' outputs here between runs")
    train.add_argument(
        "--hold-out", type=int, default=0, metavar="N",
        help="set N pictures aside and evaluate on them at the end",
    )  # fmt: skip

    evaluate = add("evaluate", _evaluate, "Measure how well captions find their pictures.")
    evaluate.add_argument("--dataset", type=Path, required=True)
    evaluate.add_argument("--split", help="train, dev or test; everything where it is not said")
    evaluate.add_argument(
        "--protocol", choices=("karpathy-1k", "reference-100"), default="karpathy-1k"
    )
    evaluate.add_argument(
        "--gallery", choices=("queried", "split"), default="queried",
        help="for reference-100: the pictures asked for alone, or the whole split",
    )  # fmt: skip
    evaluate.add_argument("--seed", type=int, default=0)
    evaluate.add_argument("--json", action="store_true")
    add_model(evaluate)
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
