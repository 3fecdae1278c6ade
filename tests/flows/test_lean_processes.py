"""What needs no model loads none: proven in processes of their own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process_tree import PROC
from tests.services import REPOSITORY

HEAVY = ("torch", "transformers", "openvino", "faiss", "tokenizers", "scipy", "sklearn", "boto3")
LIMIT_MB = 150

ASK = """
import json, os, sys
from django.core.wsgi import get_wsgi_application
get_wsgi_application()
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
boss = User.objects.create_superuser("boss", password="a long password")
client = Client(SERVER_NAME="localhost")
statuses = {path: client.get(path).status_code for path in ("/", "/api/v1/images/", "/livez")}
client.force_login(boss, backend="django.contrib.auth.backends.ModelBackend")
staff_pages = ("/jobs/", "/versions/", "/status/", "/metrics", "/upload/", "/failures/")
statuses |= {path: client.get(path).status_code for path in staff_pages}
pages = open("/proc/self/statm").read().split()[1] if os.path.exists("/proc/self/statm") else "0"
heavy = [name for name in %r if name in sys.modules]
print(json.dumps({"statuses": statuses, "heavy": heavy, "mb": int(pages) * 4096 / 1e6}))
"""


def environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "DJANGO_SETTINGS_MODULE": "contextvision_site.settings",
        "CONTEXTVISION_DATA_DIR": str(folder),
    }


def python(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not PROC.is_dir(), reason="reads the memory from /proc")
def test_pages_that_need_no_model_load_none_and_stay_small(tmp_path: Path) -> None:
    answer = json.loads(python(tmp_path, "-c", ASK % (HEAVY,)).splitlines()[-1])
    assert set(answer["statuses"].values()) == {200}, answer["statuses"]
    assert answer["heavy"] == []
    assert answer["mb"] <= LIMIT_MB


def test_commands_that_need_no_model_load_none(tmp_path: Path) -> None:
    ask = (
        "import sys; from django.core.management import execute_from_command_line as run;"
        "run(['manage.py', 'migrate', '--verbosity=0']); run(['manage.py', 'check']);"
        "run(['manage.py', 'doctor']);"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert python(tmp_path, "-c", ask).splitlines()[-1] == "[]"
