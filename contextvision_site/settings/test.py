"""Settings of the test suite: speed and isolation only."""

import importlib
import os
import tempfile
from pathlib import Path

import contextvision_site.settings

# Nothing of a developer's own data is touched by a test, and processes that test beside each other
# share no folder: each makes one, which the processes that it starts inherit. Python has read the
# package above, and with it the usual folder, before this line is reached: so the settings are read
# once more.
FOLDERS_PREFIX = "contextvision-test-"
_own = f"{FOLDERS_PREFIX}{os.environ.get('PYTEST_XDIST_WORKER', 'main')}-"
_given = Path(os.environ.get("CONTEXTVISION_DATA_DIR") or FOLDERS_PREFIX).name
if _given.startswith(FOLDERS_PREFIX) and not _given.startswith(_own):
    os.environ["CONTEXTVISION_DATA_DIR"] = tempfile.mkdtemp(prefix=_own)
    importlib.reload(contextvision_site.settings)

from contextvision_site.settings import *  # noqa: E402, F403
from contextvision_site.settings import DATA_DIR, DATABASES, REST_FRAMEWORK  # noqa: E402

TEST_DATA_DIR = Path(DATA_DIR)
(TEST_DATA_DIR / "static").mkdir(parents=True, exist_ok=True)  # else WhiteNoise warns
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "gallery.storage.AtomicFileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, as in real life: a database in memory locks differently between threads.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}

CONTEXTVISION_DOCTOR_HOUR = None  # it comes at no other time than a test asks for
CONTEXTVISION_RECALL_SAMPLE = 0.0  # those of the meter choose what it sees

# Tests ask faster than people do; those of the limits set limits of their own.
REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"] = dict.fromkeys(
    (
        "anonymous",
        "user",
        "examples",
        "login",
        "logins",
    )
)
