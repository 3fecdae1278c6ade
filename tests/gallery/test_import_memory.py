"""A large archive is imported with the memory of a small one."""

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests import pictures

ROOT = Path(__file__).parents[2]
MEGABYTE = 2**20

# The peak of one process, that of the command, after it has ended.
_MEASURE = """
import os, subprocess, sys
process = subprocess.Popen([sys.executable, "manage.py", *sys.argv[1:]], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss // 1024)
"""


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_a_tar_of_two_gigabytes_takes_at_most_400_megabytes(tmp_path: Path) -> None:
    """Figures with ``-s``; docs/data.md tells them. Files of a megabyte, which are quick to decode:
    what weighs is not their pixels."""
    shard = tmp_path / "00000.tar"
    with tarfile.open(shard, "w") as archive:
        for number in range(2_048):
            picture = pictures.jpeg(pictures.photo(number, (160, 120)))
            weight = number.to_bytes(4, "big") + bytes(MEGABYTE - 4)
            for suffix, data in (("jpg", picture + weight), ("txt", b"A caption")):
                member = tarfile.TarInfo(f"{number:09}.{suffix}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    assert shard.stat().st_size > 2 * 2**30
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment |= {
        "CONTEXTVISION_DATA_DIR": str(tmp_path / "data"),
        "DJANGO_SETTINGS_MODULE": "contextvision_site.settings",
    }

    def manage(*arguments: str) -> list[int]:
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE, *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return [int(word) for word in done.stdout.split()]

    assert manage("migrate", "--verbosity", "0")[0] == 0
    status, peak = manage("import_images", str(shard))
    print(f"A tar of {shard.stat().st_size / 2**30:.1f} GB is imported with {peak} MB")  # noqa: T201
    assert status == 0
    assert peak <= 400
