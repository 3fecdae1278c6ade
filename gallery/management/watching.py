"""`import_images --watch`: one look into a folder after another, until somebody ends it."""

import time
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gallery.jobs.cards import JobCard
from gallery.management.users import user_named
from gallery.models import Job, SyncSource
from gallery.models.choices import Visibility
from gallery.services import syncing
from gallery.uploads.places import SyncError
from mlcore.i18n import Message
from mlcore.progress import NoProgress

_ONCE = ("dry_run", "update")
"""Options that make no sense for what goes on."""


def watch(command: BaseCommand, options: Mapping[str, Any]) -> None:
    """Take in what comes into a folder or changes there; each look that found something is told.

    Raises:
        CommandError: it is no folder, or an option does not go with it.
    """
    for name in _ONCE:
        if options[name]:
            raise CommandError(f"--{name.replace('_', '-')} does not go with --watch.")
    try:
        source = syncing.follow_folder(options["path"])
    except SyncError as error:
        raise CommandError(str(error)) from error
    _configure(source, options)
    command.stdout.write(f"Watching {source.address}; Ctrl-C ends it.")
    told = ""
    try:
        while True:
            sentence = _look(source)
            if sentence and sentence != told:
                command.stdout.write(sentence)
            told = sentence
            time.sleep(source.interval)
    except KeyboardInterrupt:
        command.stdout.write("Ended. What was taken in stays; start it again to go on.")


def _look(source: SyncSource) -> str:
    """Look into the source once, and say what came of it; empty where nothing did."""
    try:
        job = syncing.look_here(source, watcher=NoProgress())
    except SyncError as error:
        return str(error)
    if job.result.get("idle"):
        return ""
    if job.status == Job.Status.FAILED:
        return str(Message.of("job.failed", reason=job.error))
    return JobCard(job).outcome


def _configure(source: SyncSource, options: Mapping[str, Any]) -> None:
    """Keep what was asked for with the source; what was not asked for stays as it is."""
    names = ("layout", "file_column", "caption_column", "interval", "hide_vanished", "collection")
    values = {name: options[name] for name in names if options[name]}
    if options["group"] or options["visibility"] == Visibility.GROUPS:
        raise CommandError("--group does not go with --watch.")
    if options["private"] or options["visibility"]:
        values["visibility"] = options["visibility"] or Visibility.PRIVATE.value
    if options["owner"]:
        values["owner"] = user_named(options["owner"])
    if options["tag"]:
        values["tags"] = options["tag"]
    syncing.save_source(source, values)
