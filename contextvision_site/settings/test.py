"""Settings of the test suite: speed and isolation only."""

import importlib
import os
import tempfile
from pathlib import Path

import contextvision_site.settings

# Nothing of a developer's own data is touched by a test. Python has read the package above, and
# with it the usual folder, before this line is reached: so the settings are read once more.
if "CONTEXTVISION_DATA_DIR" not in os.environ:
    os.environ["CONTEXTVISION_DATA_DIR"] = tempfile.mkdtemp(prefix="contextvision-test-")
    importlib.reload(contextvision_site.settings)

from contextvision_site.settings import *  # noqa: F403
from contextvision_site.settings import DATA_DIR, DATABASES, REST_FRAMEWORK

TEST_DATA_DIR = Path(DATA_DIR)
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "gallery.storage.AtomicFileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, as in real life: a database in memory locks differently between threads.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}

CONTEXTVISION_RECALL_SAMPLE = 0.0  # those of the meter choose what it sees

# Tests ask faster than people do; those of the limits set limits of their own.
REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"] = {"anonymous": None, "user": None, "login": None}
