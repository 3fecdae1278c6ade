"""``python -m benchmarks``: everything; ``python -m benchmarks rows COUNT``: made-up records."""

import os
import sys
from collections.abc import Sequence

import django


def main(arguments: Sequence[str]) -> int:
    """Run one of the two with the project's settings; return the exit status."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "contextvision_site.settings")
    django.setup()
    if arguments[:1] == ["rows"]:
        from benchmarks.site import rows

        return rows.main(arguments[1:])
    from benchmarks import command

    return command.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
