"""What is imported is required, and what is required is used."""

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.services import REPOSITORY

PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
PROGRAM = ("contextvision_site", "gallery", "search", "mlcore", "manage.py")

USED_WITHOUT_IMPORT = {
    "transformers": "imported by its name in mlcore/encoders/runtime.py",
    "openvino": "imported by its name in mlcore/encoders/openvino",
    "ranx": "asked by tests/mlcore/test_evaluation.py in a process of its own",
    "psycopg": "Django's driver for PostgreSQL",
    "redis": "Celery's and the cache's driver for Redis",
    "gunicorn": "the web server, started as a program",
    "milvus-lite": "a server that tests start as a program",
    "flask": "moto's server is made of it",
    "flask-cors": "moto's server is made of it",
    "py-partiql-parser": "read by moto's S3 on import",
    "sentence-transformers": "a peer of the benchmark, imported by its name",
    "usearch": "a peer of the benchmark, imported by its name",
    "scikit-image": "read as files by gallery/demo/photos.py",
    "mypy": "a program of `make lint`",
    "ruff": "a program of `make lint`",
    "djlint": "a program of `make lint`",
    "import-linter": "a program of `make lint`",
    "pytest-timeout": "a plugin; its limit is set in pyproject.toml",
    "pytest-django": "a plugin",
    "pytest-xdist": "a plugin; the Makefile says how many processes",
}

COMES_WITH_ANOTHER = {
    "grpcio": "pymilvus's errors are its objects, in the version that pymilvus chooses",
    "botocore": "boto3's clients and errors are its objects, in the version that boto3 chooses",
    "kombu": "Celery's queues are its objects, in the version that Celery chooses",
    "tokenizers": "transformers' tokenizers are its objects, in the version that it chooses",
    "click": "Celery's command line is made of it, in the version that Celery chooses",
}


def name_of(line: str) -> str:
    return re.split(r"[\[=]", line)[0].lower().replace("_", "-")


def required(file: str) -> set[str]:
    return set(map(name_of, lines_of(file)))


def lines_of(file: str) -> set[str]:
    lines = (REPOSITORY / file).read_text().splitlines()
    return {line for line in lines if line and not line.startswith(("#", "-r"))}


def files_of(*places: str) -> Iterator[Path]:
    for place in places:
        path = REPOSITORY / place
        yield from path.rglob("*.py") if path.is_dir() else [path]


def distributions(names: Iterable[str]) -> set[str]:
    """Find what must be installed for modules or attributes of these dotted names."""
    installed = packages_distributions()
    return {
        name_of(distribution)
        for name in names
        for distribution in installed.get(name.partition(".")[0], ())
    }


def imported(*places: str) -> set[str]:
    names: set[str] = set()
    for file in files_of(*places):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names=aliases):
                    names |= {alias.name for alias in aliases}
                case ast.ImportFrom(module=str(module), level=0):
                    names.add(module)
    return distributions(names)


def named_in_settings() -> set[str]:
    """Applications and back ends, which Django imports by their names."""
    names: set[str] = set()
    for file in files_of("contextvision_site/settings"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                names.add(node.value)
    return distributions(names)


@pytest.mark.parametrize(
    "file",
    [
        "requirements.txt",
        "requirements-demo.txt",
        "requirements-benchmark.txt",
        "requirements-dev.txt",
    ],
)
def test_versions_are_pinned(file: str) -> None:
    for line in (REPOSITORY / file).read_text().splitlines():
        assert not line or re.fullmatch(r"#.*|-r \S+|[\w.-]+(\[\w+\])?==[\w.]+", line), line


def test_what_pip_installs_is_what_the_files_pin() -> None:
    """The package with all that it can use is requirements.txt; with its photographs, the demo."""
    project = PYPROJECT["project"]
    extras = dict(project["optional-dependencies"])
    [everything] = extras.pop("all")
    assert set(extras.pop("demo")) == lines_of("requirements-demo.txt")
    assert set(re.findall(r"\w+", everything)) == {"contextvision", *extras}
    pinned = [*project["dependencies"], *(line for lines in extras.values() for line in lines)]
    assert sorted(pinned) == sorted(lines_of("requirements.txt"))


def test_the_program_imports_only_what_it_requires() -> None:
    assert imported(*PROGRAM) - set(COMES_WITH_ANOTHER) <= required("requirements.txt")


def test_the_tests_import_only_what_they_require() -> None:
    files = ("requirements.txt", "requirements-demo.txt", "requirements-dev.txt")
    known = {name for file in files for name in required(file)}
    assert imported("tests") - set(COMES_WITH_ANOTHER) <= known


def test_everything_required_is_used() -> None:
    used = imported(*PROGRAM) | named_in_settings() | set(USED_WITHOUT_IMPORT)
    assert required("requirements.txt") - used == set()
    assert required("requirements-demo.txt") - used == set()
    assert required("requirements-benchmark.txt") - used == set()
    stubs = {name for name in required("requirements-dev.txt") if re.search("stubs|types", name)}
    assert required("requirements-dev.txt") - stubs - used - imported("tests") == set()
