"""Asks Lighthouse about the search page and the results of a running site with 1,000 pictures.

    python -m tools.lighthouse --site http://127.0.0.1:8000

Needs Node 18 or newer with npm, which fetches Lighthouse the first time, and Chromium. The exit
status is 1 where a mark is below the bar.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.browser.launching import ARGUMENTS
from tests.services import chromium_path

# The newest one that runs on Node 18 and 20.
LIGHTHOUSE = "lighthouse@12.8.2"
CATEGORIES = ("performance", "accessibility", "best-practices")
BAR = 95
PATHS = ("/", "/?q=two+dogs+playing+in+the+snow")
WEIGHT_BAR = 300_000
"""Bytes of a first page without its pictures, as they go over the wire."""
SCRIPT_BAR = 60_000
"""Bytes of all scripts of a page, likewise."""


def report_on(address: str, form_factor: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "report.json"
        command = [
            "npx", "--yes", LIGHTHOUSE, address, "--quiet", "--output=json", f"--output-path={out}",
            f"--only-categories={','.join(CATEGORIES)}",
            f"--chrome-flags=--headless=new {' '.join(ARGUMENTS)}",
        ]  # fmt: skip
        if form_factor == "desktop":
            command.append("--preset=desktop")
        subprocess.run(command, check=True, env=os.environ | {"CHROME_PATH": str(chromium_path())})
        report: dict[str, Any] = json.loads(out.read_text())
        return report


def bytes_of(report: dict[str, Any], *, only: str = "", without: str = "") -> int:
    requests = report["audits"]["network-requests"]["details"]["items"]
    return sum(
        request.get("transferSize", 0)
        for request in requests
        if request.get("resourceType") != without
        and (not only or request.get("resourceType") == only)
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--site", default="http://127.0.0.1:8000")
    parser.add_argument("--path", action="append", help="an address on the site; may be repeated")
    site = parser.parse_args()
    below = 0
    for path in site.path or PATHS:
        for form_factor in ("mobile", "desktop"):
            report = report_on(site.site + path, form_factor)
            marks = {
                name: round(100 * (report["categories"][name]["score"] or 0)) for name in CATEGORIES
            }
            weight = bytes_of(report, without="Image")
            scripts = bytes_of(report, only="Script")
            below += sum(mark < BAR for mark in marks.values())
            below += (weight > WEIGHT_BAR) + (scripts > SCRIPT_BAR)
            sys.stdout.write(
                f"{path} {form_factor}: "
                + ", ".join(f"{name} {mark}" for name, mark in marks.items())
                + f"; {weight / 1000:.0f} kB without pictures, {scripts / 1000:.0f} kB of scripts\n"
            )
            for name in CATEGORIES:
                for part in report["categories"][name]["auditRefs"]:
                    audit = report["audits"][part["id"]]
                    if part["weight"] and audit["score"] is not None and audit["score"] < 0.9:
                        shown = f"{audit['title']} {audit.get('displayValue', '')}"
                        sys.stdout.write(f"    {name}: {shown}\n")
    sys.exit(1 if below else 0)


if __name__ == "__main__":
    main()
