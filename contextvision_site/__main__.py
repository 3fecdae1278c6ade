"""``contextvision``: the commands of the site and of the core, from any folder.

A name that both have is the site's, which works on the gallery; `python -m mlcore` has the other.
"""

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from django.core.management import execute_from_command_line, find_commands

import mlcore
from mlcore.__main__ import COMMANDS
from mlcore.__main__ import main as run_core

APPS = ("gallery", "search")


def main(arguments: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    first = words[0] if words else "--help"
    core = {command.__name__.rpartition(".")[2] for command in COMMANDS} - site_commands()
    if first in {"-h", "--help"}:
        sys.stdout.write(help_text(site_commands(), core))
    elif first in {"-V", "--version"}:
        sys.stdout.write(f"contextvision {mlcore.__version__}\n")
    elif first in core:
        return run_core(words)
    else:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "contextvision_site.settings")
        execute_from_command_line(["contextvision", *words])
    return 0


def site_commands() -> set[str]:
    """Name what the apps add to Django's commands, without loading them."""
    specs = [find_spec(app) for app in APPS]
    folders = [spec.submodule_search_locations for spec in specs if spec is not None]
    return {
        name
        for [folder] in filter(None, folders)
        for name in find_commands(os.path.join(folder, "management"))  # noqa: PTH118  (a string)
    }


def help_text(site: set[str], core: set[str]) -> str:
    return (
        "usage: contextvision COMMAND ...\n\n"
        "Finds pictures by what they show. 'contextvision demo' goes from nothing to a running "
        "search;\n'contextvision COMMAND --help' tells what a command takes.\n\n"
        f"for the gallery:     {', '.join(sorted(site))}\n"
        f"without a gallery:   {', '.join(sorted(core))}\n"
        "for the site itself: migrate, createsuperuser, check, and what else "
        "'contextvision help' lists\n"
    )


if __name__ == "__main__":
    sys.exit(main())
