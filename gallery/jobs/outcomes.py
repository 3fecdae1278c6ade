"""Results of jobs, put into sentences; one function a kind."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from django.template.defaultfilters import filesizeformat

from mlcore.i18n import Message
from mlcore.reporting.labels import figure_words, metric_words

Result: TypeAlias = Mapping[str, Any]


def embedded(result: Result) -> list[Message]:
    done = {"pictures": _pictures(result.get("embedded", 0)), "model": _model(result)}
    if failed := result.get("failed"):
        return [Message.of("outcome.embedded_some", **done, failed=failed)]
    return [Message.of("outcome.embedded", **done)]


def examined(result: Result) -> list[Message]:
    counts = result.get("checks", {}).values()
    found, mended = (sum(each[name] for each in counts) for name in ("found", "mended"))
    if not found:
        return [Message("outcome.examined_clean")]
    told = [Message.from_json(each) for each in result.get("examples", ())]
    return [Message.of("outcome.examined", found=found, mended=mended), *told]


def indexed(result: Result) -> list[Message]:
    if result.get("superseded"):
        return [Message("outcome.superseded")]
    if "index" not in result:
        return _facts(result)
    pictures = _pictures(result.get("pictures", 0))
    index = str(result["index"])
    return [Message.of("outcome.indexed", index=index, pictures=pictures, model=_model(result))]


def imported(result: Result) -> list[Message]:
    if "added" not in result:
        return _looked(result)
    parts = [Message.of("outcome.added", pictures=_pictures(result.get("added", 0)))]
    if known := result.get("already_there"):
        parts.append(Message.of("outcome.already_there", count=known))
    if restored := result.get("restored"):
        parts.append(Message.of("outcome.restored", count=restored))
    if failed := result.get("failed"):
        parts.append(Message.of("outcome.refused", count=failed))
    if captions := result.get("captions"):
        parts.append(Message.of("outcome.captions_read", captions=_captions(captions)))
    if updated := result.get("updated"):
        parts.append(Message.of("outcome.updated", count=updated))
    return [Message.of("outcome.facts", facts=parts), *_missed(result)]


def synced(result: Result) -> list[Message]:
    if "listed" not in result:
        return _facts(result)
    listed = Message.of("outcome.listed", count=result["listed"])
    if result.get("idle"):
        return [listed, Message("outcome.unchanged")]
    sentences = [listed, *(imported(result) if "added" in result else _missed(result))]
    sentences += map(Message.from_json, result.get("notes", ()) if "added" not in result else ())
    for name in ("vanished", "replaced", "hidden"):
        if count := result.get(name):
            sentences.append(Message.of(f"outcome.{name}", count=count))
    for name in ("growing", "waits_for"):
        if names := result.get(name):
            sentences.append(Message.of(f"outcome.{name}", names=names))
    return sentences


def _looked(result: Result) -> list[Message]:
    """Say what an import would read, or what one of an earlier release did."""
    if "found" not in result:
        return _facts(result)
    found, captions = _pictures(result["found"]), _captions(result.get("captions", 0))
    return [Message.of("outcome.would_read", pictures=found, captions=captions), *_missed(result)]


def _missed(result: Result) -> list[Message]:
    """Warn of what may be missed; the whole account is told beside it."""
    return [
        Message.of(f"outcome.{name}", names=names)
        for name in ("contradicting_splits", "not_used", "odd_rows")
        if (names := result.get(name))
    ]


def trained(result: Result) -> list[Message]:
    if "name" not in result:
        return _facts(result)
    sentences = [
        Message.of(
            "outcome.trained",
            model=result["name"],
            pictures=_pictures(result.get("pictures", 0)),
            captions=_captions(result.get("captions", 0)),
        )
    ]
    if left_out := result.get("left_out"):
        sentences.append(Message.of("outcome.left_out", count=left_out))
    if best := result.get("best_epoch"):
        sentences.append(Message.of("outcome.best_epoch", epoch=best))
    if result.get("gate") == "passed":
        better = result.get("better", True)
        passed = "outcome.gate_passed" if better else "outcome.gate_not_worse"
        return [*sentences, Message(passed)]
    reasons = map(Message.from_json, result.get("reasons", ()))
    return [*sentences, Message("outcome.gate_failed"), *reasons]


def evaluated(result: Result) -> list[Message]:
    if "model" not in result:
        return _facts(result)
    figures = [
        f"{metric_words(name)} {figure_words(result[name])}"
        for name in ("hit_rate@1", "hit_rate@5", "hit_rate@10", "mrr")
        if name in result
    ]
    return [
        Message.of(
            "outcome.evaluated",
            model=result["model"],
            count=result.get("queries", 0),
            gallery=result.get("gallery", 0),
            figures=figures,
        )
    ]


def promoted(result: Result) -> list[Message]:
    if "name" not in result:
        return _facts(result)
    sentences = [
        Message.of(
            "outcome.promoted",
            model=result["name"],
            index=str(result.get("index")),
            pictures=_pictures(result.get("embedded", 0)),
        )
    ]
    if result.get("gate") == "overridden":
        sentences.append(Message("outcome.gate_overridden"))
    return sentences


def exported(result: Result) -> list[Message]:
    if "file" not in result:
        return _facts(result)
    sentences = [
        Message.of(
            "outcome.exported",
            model=result["model"],
            pictures=_pictures(result.get("pictures", 0)),
            size=filesizeformat(result.get("bytes", 0)),
        )
    ]
    if newer := result.get("newer"):
        sentences.append(Message.of("outcome.newer_left_out", pictures=_pictures(newer)))
    return sentences


def _facts(result: Result) -> list[Message]:
    """List what there is, of a job that was stopped before it had all of its result."""
    facts = [f"{name.replace('_', ' ')}: {value}" for name, value in result.items()]
    return [Message.of("outcome.facts", facts=facts)]


def _model(result: Result) -> Message | str:
    return result.get("model") or Message("outcome.the_model")


def _pictures(count: int) -> Message:
    return Message.of("count.pictures", count=count)


def _captions(count: int) -> Message:
    return Message.of("count.captions", count=count)
