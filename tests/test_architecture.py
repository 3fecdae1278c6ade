"""Rules about the source as a whole: layers, lazy imports, and what must not be written anywhere.

Layers are import-linter contracts in ``pyproject.toml``; ``lint-imports`` alone shows them too.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("contextvision_site", "search", "gallery", "mlcore")
LONGEST_MODULE = 400  # lines
HEAVY = ("torch", "transformers", "faiss", "openvino")
"""Libraries that take seconds to import, so functions import them when they are first needed."""


def project_files() -> list[Path]:
    """Every file that belongs to the project: known to git, or new and not ignored."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("The project's files are listed by git, and this is no git checkout.")
    listed = subprocess.run(
        [git, "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]  # a deleted file stays listed until then


def python_files(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    assert found
    return found


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported_names(path: Path) -> Iterator[str]:
    """Yield the dotted name of every import in a file, ``from a import b`` as both a and a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield module
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(str(name))]):
                yield name


def is_of(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


class TestLayers:
    def test_every_contract_is_kept(self) -> None:
        done = lint_imports(ROOT)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_the_contracts_catch_what_they_are_for(self, tmp_path: Path) -> None:
        """One forbidden import planted for each contract breaks each of them."""
        copy = tmp_path / "copy"
        for package in ("benchmarks", *PACKAGES):
            shutil.copytree(
                ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__")
            )
        shutil.copy(ROOT / "pyproject.toml", copy)
        plants = {
            "benchmarks > site > search > gallery > mlcore": ("mlcore/config.py", "gallery.apps"),
            "mlcore knows no web framework": ("mlcore/config.py", "django"),
            "mlcore layers": ("mlcore/config.py", "mlcore.index"),
            "gallery: interfaces > services > tasks > pipelines > selectors > models": (
                "gallery/selectors.py",
                "gallery.services.images",
            ),
            "search: interfaces > services > engine": ("search/engine.py", "search.services"),
            "torch and faiss are named only inside mlcore": ("search/services.py", "torch"),
            "only services enqueue": ("gallery/forms/work.py", "gallery.tasks"),
            "no cycles anywhere": ("mlcore/errors.py", "mlcore.index"),
            "search only reads": ("search/forms.py", "gallery.services.images"),
        }
        for file, module in plants.values():
            with (copy / file).open("a") as stream:
                stream.write(f"\nimport {module}\n")
        shown = lint_imports(copy).stdout
        assert re.findall(r"^(.+?) KEPT\b", shown, re.MULTILINE) == []
        assert set(re.findall(r"^(.+?) BROKEN\b", shown, re.MULTILINE)) == set(plants)

    def test_the_product_needs_nothing_that_only_its_developers_use(self) -> None:
        assert [
            f"{relative(path)}: {name}"
            for path in python_files(*PACKAGES)
            for name in imported_names(path)
            for package in ("benchmarks", "tests", "tools")
            if is_of(name, package)
        ] == []


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True
    )


class TestLazyImports:
    def test_faiss_is_imported_in_one_file(self) -> None:
        files = python_files(*PACKAGES, "tests")
        assert {
            relative(path)
            for path in files
            if any(is_of(name, "faiss") for name in imported_names(path))
        } == {"mlcore/index/backend.py"}

    def test_no_module_of_mlcore_loads_a_heavy_library(self) -> None:
        modules = [
            relative(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            for path in python_files("mlcore")
        ]
        assert loaded_by("", modules) == {}

    def test_the_pages_load_no_heavy_library(self) -> None:
        setup = "import django; django.setup()"
        assert loaded_by(setup, ["contextvision_site.urls"]) == {}

    def test_a_heavy_import_would_be_seen(self) -> None:
        assert loaded_by("", ["mlcore.errors", "faiss"]) == {"faiss": ["faiss"]}


def loaded_by(setup: str, modules: list[str]) -> dict[str, list[str]]:
    """Import modules in turn in a new process; tell which of them brought which heavy library."""
    program = f"""
import importlib, json, sys
{setup}
blamed = {{}}
seen = set()
for module in {modules!r}:
    importlib.import_module(module)
    new = [name for name in {HEAVY!r} if name in sys.modules and name not in seen]
    seen.update(new)
    if new:
        blamed[module] = new
sys.stdout.write(json.dumps(blamed))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "contextvision_site.settings.test"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    blamed: dict[str, list[str]] = json.loads(done.stdout)
    return blamed


class TestSource:
    def test_what_is_public_in_mlcore_and_the_benchmark_has_a_docstring(self) -> None:
        bare = []
        for path in python_files("mlcore", "benchmarks"):
            module = ast.parse(path.read_text(encoding="utf-8"))
            named = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
            if ast.get_docstring(module) is None:
                bare.append(relative(path))
            bare += [
                f"{relative(path)}:{node.lineno} {node.name}"
                for node in module.body
                if isinstance(node, named)
                and not node.name.startswith("_")
                and ast.get_docstring(node) is None
            ]
        assert bare == []

    def test_no_module_of_the_product_is_too_long(self) -> None:
        assert [
            relative(path)
            for path in python_files(*PACKAGES)
            if len(path.read_text(encoding="utf-8").splitlines()) > LONGEST_MODULE
        ] == []

    def test_no_file_names_a_folder_of_one_machine(self) -> None:
        one_machine = re.compile(rb"(?<![\w.-])/(?:work|root|opt/wheels)(?![\w-])")
        assert [
            f"{relative(path)}: {match.group().decode()}"
            for path in project_files()
            for match in one_machine.finditer(path.read_bytes())
        ] == []

    def test_the_application_fetches_nothing_over_the_network(self) -> None:
        """No address that a visitor gives can be requested from inside, for none is at all."""
        clients = ("requests", "httpx", "aiohttp", "urllib3", "urllib.request", "http.client")
        # They ask the server that they started themselves.
        exempt = {
            ("gallery/demo/site.py", "http.client"),
            ("benchmarks/site/server.py", "http.client"),
        }
        assert [
            f"{relative(path)}: {name}"
            for path in python_files("benchmarks", *PACKAGES)
            for name in imported_names(path)
            for client in clients
            if is_of(name, client) and (relative(path), client) not in exempt
        ] == []

    def test_nothing_bypasses_the_escaping_of_html(self) -> None:
        unescaped = re.compile(r"\|\s*safe(seq)?\b|\bautoescape\s+off\b|\bmark_safe\b")
        templates = [path for path in ROOT.rglob("*.html") if in_project(path)]
        assert templates
        assert [
            f"{relative(path)}: {match.group()}"
            for path in templates
            for match in unescaped.finditer(path.read_text(encoding="utf-8"))
        ] == []
        jinja_has_escaped_it = "search/views/gallery_tiles.py"
        assert [
            f"{relative(path)}:{node.lineno}"
            for path in python_files(*PACKAGES)
            if relative(path) != jinja_has_escaped_it
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and called_name(node) in ("mark_safe", "SafeString")
        ] == []


def called_name(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def in_project(path: Path) -> bool:
    return path.relative_to(ROOT).parts[0] in ("templates", *PACKAGES)
