"""The package that pip makes of the project: what is in it, and its command."""

import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

import mlcore
from contextvision_site.__main__ import main
from tests.documented import own_commands
from tests.services import REPOSITORY

PACKAGES = ("contextvision_site", "gallery", "mlcore", "search")


def in_version_control(*places: str) -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *places],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return {line for line in listed.stdout.splitlines() if (REPOSITORY / line).is_file()}


@pytest.mark.slow
def test_a_wheel_holds_the_packages_with_templates_and_languages_and_nothing_else(
    tmp_path: Path,
) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir"]
    subprocess.run([*build, str(tmp_path), str(REPOSITORY)], check=True, timeout=300)
    [wheel] = tmp_path.glob("*.whl")
    assert wheel.name == f"contextvision-{mlcore.__version__}-py3-none-any.whl"
    with ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        [entry] = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert "contextvision = contextvision_site.__main__:main" in archive.read(entry).decode()
    beside = {f"contextvision_site/{name}" for name in in_version_control("templates", "locale")}
    assert held == in_version_control(*PACKAGES) | beside


def test_version_is_the_newest_of_the_changelog(capsys: pytest.CaptureFixture[str]) -> None:
    versions = re.findall(r"^## (\S+)", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == mlcore.__version__
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"contextvision {mlcore.__version__}\n"


def test_help_lists_the_commands_of_site_and_core(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == main(["--help"]) == 0
    told = capsys.readouterr().out
    groups = dict(re.findall(r"^([\w ]+): +(.+)$", told, re.MULTILINE))
    assert set(groups["for the gallery"].split(", ")) == own_commands()
    assert set(groups["without a gallery"].split(", ")) >= {"train", "encode", "compile"}


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("demo", "--photos"),
        ("search", "--collection"),
        ("train", "--epochs"),
        ("migrate", "--plan"),
    ],
)
def test_each_command_is_found(command: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert told in capsys.readouterr().out
