"""What a row of release 0.1.0 is today: sentences and phrases become codes with parameters.

Values are as the database gives and takes them, JSON as text. A sentence that was kept stays as it
was written, under a code of its own.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]

_CHECKS = {"held-out pictures": "test", "general set": "general_set"}
_PARTS = {"val": "validation", "training": "train", "held-out": "test", "unused": "test"}
"""Parts of data sets that have another name today."""
_RESULTS = {"held out": "test"}
"""Keys of results, likewise; in the others only the blanks are."""


def _told(text: str) -> dict[str, Any]:
    return {"code": "text.as_written", "params": {"text": text}}


def _message(text: str) -> str | None:
    return json.dumps(_told(text)) if text else None


def _job(row: Row) -> Row:
    result = {
        _RESULTS.get(name, re.sub(r"[ -]", "_", name)): value
        for name, value in json.loads(row["result"]).items()
    }
    if "reasons" in result:
        result["reasons"] = [_told(reason) for reason in result["reasons"]]
    params = json.loads(row["params"])
    if "split" in params:
        params["split"] = _PARTS.get(params["split"], params["split"])
    return row | {
        "params": json.dumps(params),
        "result": json.dumps(result),
        "message": _message(row["message"]),
        "error": _message(row["error"]),
    }


def _job_event(row: Row) -> Row:
    return row | {"message": _message(row["message"])}


def _failure(row: Row) -> Row:
    return row | {"reason": _message(row["reason"])}


def _index_version(row: Row) -> Row:
    manifest = json.loads(row["manifest"])
    return row | {"store": manifest.pop("store", "files"), "manifest": json.dumps(manifest)}


def _verdict(row: Row) -> Row:
    verdict = json.loads(row["verdict"])
    for check in verdict.get("checks", ()):
        check["kind"] = _CHECKS.get(check["name"], "query_set")
        check["name"] = _CHECKS.get(check["name"], check["name"])
        check["message"] = _told(check.pop("sentence"))
    return row | {"verdict": json.dumps(verdict)}


def _evaluation(row: Row) -> Row:
    """Pictures of the gallery were named 'picture 17', and are named by their ids."""
    data = _data(row["dataset"])
    changed = row | {"dataset": json.dumps(data)}
    if data["code"] != "data.folder":
        for column in ("outcomes", "composition"):
            changed[column] = re.sub(r'"picture (\d+)"', r'"\1"', row[column])
    return changed


def _data(text: str) -> dict[str, Any]:
    found = re.fullmatch(
        r"(?:the (?P<side>\S+) pictures of |the split '(?P<split>\w+)' of )?"
        r"(?:the gallery|the collection (?P<name>['\"].*['\"]))",
        text,
    )
    if found is None:
        return {"code": "data.folder", "params": {"path": text}}
    place: dict[str, Any] = {"code": "data.gallery", "params": {}}
    if found["name"]:
        place = {"code": "data.collection", "params": {"name": found["name"]}}
    part = found["side"] or found["split"]
    if not part:
        return place
    return {"code": f"data.{_PARTS.get(part, part)}", "params": {"place": place}}


def _saved_search(row: Row) -> Row:
    parts = "|".join(_PARTS)
    return row | {
        "query": re.sub(
            rf"(?<![^&?])split=({parts})(?![^&])",
            lambda match: f"split={_PARTS[match[1]]}",
            row["query"],
        )
    }


CONVERSIONS: Mapping[str, Callable[[Row], Row]] = {
    "gallery_evaluation": _evaluation,
    "gallery_failure": _failure,
    "gallery_indexversion": _index_version,
    "gallery_job": _job,
    "gallery_jobevent": _job_event,
    "gallery_modelversion": _verdict,
    "gallery_promotion": _verdict,
    "gallery_savedsearch": _saved_search,
}
"""By today's table; the rows of the others are copied as they are."""
