"""Models in folders of this machine, and on the Hugging Face hub: its local cache first, then the
network."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mlcore.encoders.checkpoints import CONFIG
from mlcore.encoders.runtime import first_line
from mlcore.errors import ModelUnavailableError

NETWORK_TIMEOUT_S = 5.0
"""Seconds to wait for the hub to answer; a file that is coming may take as long as it needs."""

HUB_NAME = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
"""A name on the hub, with ``@revision`` after it where one is meant."""

_FILES = ("*.json", "*.txt", "*.safetensors")

_CONVERSION_AUTHOR = "SFconvertbot"
_CONVERSION_TITLE = "Adding `safetensors` variant of this model"


def hub_snapshot(name: str, revision: str | None) -> Path:
    """Return the local folder of a hub model, downloading what is not in the cache yet.

    The repository of CLIP ViT-B/32 itself has a pickle only. Its safetensors are on a branch that
    the hub's own conversion robot opened; that branch is taken where the main one has none, under
    the rules by which transformers takes it.

    Raises:
        ModelUnavailableError: the hub has no such model, does not give it, or cannot be reached.
    """
    cached = _cached_snapshot(name, revision)
    if cached is not None:
        return cached
    from huggingface_hub import get_repo_discussions, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    def download(branch: str | None) -> Path:
        return Path(
            snapshot_download(
                name,
                revision=branch,
                allow_patterns=list(_FILES),
                etag_timeout=NETWORK_TIMEOUT_S,
            )
        )

    try:
        snapshot = download(revision)
        if revision is None and not any(snapshot.glob("*.safetensors")):
            for proposal in get_repo_discussions(
                name, author=_CONVERSION_AUTHOR, discussion_type="pull_request"
            ):
                # Anybody may open a proposal of this title; the filter above is only a request.
                if (
                    proposal.author == _CONVERSION_AUTHOR
                    and proposal.title == _CONVERSION_TITLE
                    and proposal.status == "open"
                ):
                    return download(proposal.git_reference)
    except GatedRepoError as error:
        raise ModelUnavailableError("hub.gated", name=name) from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        if revision:
            raise ModelUnavailableError("hub.no_revision", name=name, revision=revision) from error
        raise ModelUnavailableError("hub.no_model", name=name) from error
    except (HfHubHTTPError, OSError, OfflineModeIsEnabled, ValueError) as error:
        raise ModelUnavailableError(
            "hub.unreachable", name=name, reason=first_line(error)
        ) from error
    return snapshot


def folder_of(reference: str | Path) -> Path | None:
    """Return the folder that a reference names, where it is one of which every file can be read.

    Raises:
        ModelUnavailableError: it is one, and this user may not read it.
    """
    folder = Path(reference).expanduser()
    try:
        if not folder.is_dir():
            return None
        for path in sorted(folder.iterdir()):
            if path.is_file() and not os.access(path, os.R_OK, effective_ids=True):
                raise ModelUnavailableError("model.not_readable", path=str(path))
    except PermissionError as error:
        raise ModelUnavailableError("model.not_readable", path=str(folder)) from error
    return folder


def _cached_snapshot(name: str, revision: str | None) -> Path | None:
    """Find a whole copy of a hub model in the local cache, without touching the network."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir().repos
    except CacheNotFound:
        return None
    for repository in repositories:
        if repository.repo_id != name or repository.repo_type != "model":
            continue
        for found in sorted(repository.revisions, key=lambda one: "main" not in one.refs):
            wanted = (
                revision in {*found.refs, found.commit_hash}
                if revision
                else any(ref == "main" or ref.startswith("refs/pr/") for ref in found.refs)
            )
            names = {file.file_name for file in found.files}
            if (
                wanted
                and CONFIG in names
                and any(file.endswith(".safetensors") for file in names)
                and names & {"tokenizer.json", "vocab.json"}
            ):
                return found.snapshot_path
    return None
