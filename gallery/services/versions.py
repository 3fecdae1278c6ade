"""Choosing which index, and with it which model, is live."""

import shutil
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import ProtectedError, Q

from gallery import audit
from gallery.models import (
    ImageEmbedding,
    IndexVersion,
    Job,
    ModelVersion,
    Promotion,
    Proposal,
    SquareEmbedding,
)
from gallery.pipelines.gating import PromotionRefusedError, kept_verdict, refuse_unless
from gallery.pipelines.indexing import make_live, remove_index
from gallery.selectors import working_model
from gallery.services import jobs
from gallery.vectors.registry import store_for_new, store_of
from mlcore.config import IndexKind, IndexSpec
from mlcore.errors import ContextVisionError, IndexMismatchError
from mlcore.i18n import Message

__all__ = [
    "ModelKeptError",
    "PromotionRefusedError",
    "RollbackError",
    "delete_model",
    "explain_index",
    "make_active",
    "previous_index",
    "propose",
    "request_export",
    "request_promotion",
    "request_rebuild",
    "rollback",
    "why_kept",
    "withdraw_proposal",
]


class ModelKeptError(ContextVisionError):
    """A model cannot be deleted."""


class RollbackError(ContextVisionError):
    """There is nothing to go back to."""


def request_rebuild(*, user: User | None = None) -> Job:
    """Queue a rebuild of the live index; one that is queued already serves as well."""
    return jobs.start(Job.Kind.INDEX, user=user, key=Job.Kind.INDEX)


def explain_index(kind: IndexKind = "auto") -> str:
    """Say which kind of index would be built of the working model's vectors, and why."""
    version = working_model()
    rows = (
        ImageEmbedding.objects.all()
        if version is None
        else ImageEmbedding.objects.of_model(version)
    )
    return store_for_new().explain(IndexSpec(kind=kind), rows.count())


def request_promotion(model: ModelVersion, *, user: User | None, override_reason: str = "") -> Job:
    """Queue a promotion; one of the same model that is under way serves as well.

    Raises:
        PromotionRefusedError: the model is live already, one is under way for another reason, or
            it is known to be worse than the live one and no reason is given to promote it all the
            same.
    """
    live = IndexVersion.objects.active()
    if live is not None and live.model_version == model:
        raise PromotionRefusedError("promotion.is_live", model=model.name)
    verdict = kept_verdict(model, live.model_version) if live else None
    if verdict is not None:
        refuse_unless(verdict, model, override_reason)
    reason = override_reason.strip()
    params = {"model": model.pk, "override_reason": reason}
    job = jobs.start(Job.Kind.PROMOTE, params, user=user, key=f"promote {model.pk}")
    if reason and job.params.get("override_reason") != reason:
        raise PromotionRefusedError("promotion.other_reason", job=str(job), model=model.name)
    return job


def propose(model: ModelVersion, *, user: User) -> Proposal:
    """Ask those who may promote to put a model live; a proposal that is there stays as it is.

    Raises:
        PromotionRefusedError: it is live already.
    """
    if model.state == "live":
        raise PromotionRefusedError("promotion.is_live", model=model.name)
    with transaction.atomic():
        proposal, is_new = Proposal.objects.get_or_create(
            model_version=model, defaults={"created_by": user}
        )
        if is_new:
            audit.record("model_proposed", user=user, kind="model", pk=model.pk, model=model.name)
    return proposal


def withdraw_proposal(model: ModelVersion, *, user: User) -> None:
    """Take a proposal back, if there is one."""
    with transaction.atomic():
        withdrawn, _ = Proposal.objects.filter(model_version=model).delete()
        if withdrawn:
            audit.record(
                "proposal_withdrawn", user=user, kind="model", pk=model.pk, model=model.name
            )


def request_export(model: ModelVersion, *, user: User | None) -> Job:
    """Queue the writing of a model into a file; one that is under way serves as well."""
    with transaction.atomic():
        audit.record("model_exported", user=user, kind="model", pk=model.pk, model=model.name)
        return jobs.start(Job.Kind.EXPORT, {"model": model.pk}, user=user, key=f"export {model.pk}")


def why_kept(model: ModelVersion) -> Message | None:
    """Say why a model cannot be deleted; None where it can.

    What is live, or was and so is part of the history that a rollback goes through, stays; and
    what others were made of, or are being made of.
    """
    if model.state == "live":
        return Message.of("model.is_live", model=model.name)
    if model.state == "former" or model.promotions.exists():
        return Message.of("model.was_live", model=model.name)
    if model.children.exists() or model.shares_vectors_with.exists():
        return Message.of("model.has_children", model=model.name)
    uses = Q(params__model=model.pk) | Q(params__base=model.pk)
    job = Job.objects.unfinished().filter(uses).first()
    if job is None:
        return None
    return Message.of("model.in_job", job=str(job), model=model.name)


def delete_model(model: ModelVersion) -> None:
    """Remove a candidate with its vectors, evaluations, indexes and files.

    Raises:
        ModelKeptError: it is live, was, or is needed.
    """
    if reason := why_kept(model):
        raise ModelKeptError("model.kept", reason=reason)
    for index in model.index_versions.filter(is_active=False):
        remove_index(index)  # derived, so nothing is lost where the rest is refused
    try:
        with transaction.atomic():
            # Nobody starts from it between the question and the deletion.
            model = ModelVersion.objects.select_for_update().get(pk=model.pk)
            if reason := why_kept(model):
                raise ModelKeptError("model.kept", reason=reason)
            ImageEmbedding.objects.filter(model_version=model).delete()
            SquareEmbedding.objects.filter(model_version=model).delete()
            audit.record("model_deleted", kind="model", pk=model.pk, model=model.name)
            model.delete()
    except ProtectedError as error:
        raise ModelKeptError("model.came_into_use", model=model.name) from error
    folder = Path(model.reference)
    is_shared = ModelVersion.objects.filter(reference=model.reference).exists()  # by other views
    if folder.parent == Path(settings.MODELS_DIR) and not is_shared:
        # One that the hub or an operator keeps stays.
        shutil.rmtree(folder, ignore_errors=True)


def previous_index() -> IndexVersion | None:
    """Return the index that a rollback goes to, if one is kept."""
    return IndexVersion.objects.previous()


def rollback(*, user: User | None) -> IndexVersion:
    """Go back to the model that was live before; return the index that is live now.

    Takes one write: what it goes back to was in use, and a search process that cannot load it says
    so and goes on with what it has. Pictures embedded since are found as soon as a worker has
    embedded them with the former model.

    Raises:
        RollbackError: no index of a former model is kept.
        IndexFileError, IndexMismatchError, VectorStoreError: it cannot serve.
    """
    live, former = IndexVersion.objects.active(), previous_index()
    if former is None:
        raise RollbackError("rollback.nothing")
    store_of(former).check(former)
    _make_live(former, live, kind=Promotion.Kind.ROLLBACK, user=user)
    return former


def make_active(version: IndexVersion, *, user: User | None = None) -> None:
    """Make a kept index live: forward or, as a rollback, back.

    It is checked, files byte by byte, and its model loaded, before anything changes.

    Raises:
        IndexFileError, IndexMismatchError, VectorStoreError, ModelUnavailableError: it cannot
            serve.
    """
    live = IndexVersion.objects.active()
    store_of(version).check(version, thoroughly=True)
    version.model_version.load_encoder()
    kind = Promotion.Kind.ROLLBACK if version.activated_at else Promotion.Kind.PROMOTION
    with transaction.atomic():
        _make_live(version, live, kind=kind, user=user)
        audit.record(
            "index_activated", user=user, kind="index", pk=version.pk, index=str(version.pk)
        )


def _make_live(
    version: IndexVersion,
    live: IndexVersion | None,
    *,
    kind: Promotion.Kind,
    user: User | None,
) -> None:
    history: dict[str, Any] = {}
    if live is not None and live.model_version_id != version.model_version_id:
        history = {"kind": kind, "created_by": user}
    if not make_live(version, instead_of=live, job=None, **history):
        raise IndexMismatchError("index.overtaken")
