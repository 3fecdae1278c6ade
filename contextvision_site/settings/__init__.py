"""Every setting once, read from the environment.

With no variable set the project runs on SQLite, a broker made of folders, and the starter model:
no service and no download. docs/settings.md lists the variables; a test holds the two together.
"""

import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any, cast, get_args

from csp.constants import NONE, SELF

from contextvision_site.settings import env
from contextvision_site.settings.logs import LOGGING as LOGGING
from contextvision_site.settings.schema import SPECTACULAR_SETTINGS as SPECTACULAR_SETTINGS
from mlcore.config import Library, Precision, RuntimeOptions
from mlcore.words.language import LANGUAGES as LANGUAGES_OF_WORDS

_PACKAGE = Path(__file__).resolve().parent.parent
BASE_DIR = _PACKAGE.parent
IS_INSTALLED = (_PACKAGE / "templates").is_dir()
"""Whether pip put this into its packages, rather than a checkout; see docs/install.md."""
_SHARED = _PACKAGE if IS_INSTALLED else BASE_DIR  # holds templates and locale

# --- Where things are kept -------------------------------------------------------------------
DATA_DIR = env.folder(
    "CONTEXTVISION_DATA_DIR",
    Path("~/.local/share/contextvision") if IS_INSTALLED else BASE_DIR / "var",
)
MEDIA_ROOT = DATA_DIR / "media"
INDEX_DIR = DATA_DIR / "indexes"
MODELS_DIR = DATA_DIR / "models"
BROKER_DIR = DATA_DIR / "broker"
TRANSFER_DIR = DATA_DIR / "transfers"
"""Files on their way in or out: uploads in parts, archives that are imported, exported models."""
IMPORT_DIR = env.folder("CONTEXTVISION_IMPORT_DIR", DATA_DIR / "imports")
"""From where staff may import over the page and the API; the program only reads there."""
CONTEXTVISION_SYNC_ROOTS = env.places("CONTEXTVISION_SYNC_ROOTS", "")
"""Folders and prefixes of buckets that staff may follow, beside the folder of imports."""
S3_OPTIONS = {
    # What is left out is found by boto3: its own variables, or the machine's role.
    "endpoint_url": env.address("CONTEXTVISION_MEDIA_S3_ENDPOINT", "") or None,
    "region_name": env.text("CONTEXTVISION_MEDIA_S3_REGION", "") or None,
    "access_key": env.text("CONTEXTVISION_MEDIA_S3_KEY", "") or None,
    "secret_key": env.text("CONTEXTVISION_MEDIA_S3_SECRET", "") or None,
}
_BUCKET = env.bucket("CONTEXTVISION_MEDIA_S3", "")  # keeps the pictures instead of MEDIA_ROOT
STORAGES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "gallery.bucket.BucketStorage",
        "OPTIONS": {"bucket_name": _BUCKET[0], "location": _BUCKET[1], **S3_OPTIONS},
    }
    if _BUCKET
    else {"BACKEND": "gallery.storage.AtomicFileSystemStorage"},
    "staticfiles": {"BACKEND": "gallery.rendering.static.CollectedOrSourceStorage"},
}

# --- The web ---------------------------------------------------------------------------------
SECRET_KEY = env.secret("CONTEXTVISION_SECRET_KEY", DATA_DIR / "secret_key")
ALLOWED_HOSTS = env.words("CONTEXTVISION_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
DEBUG = env.debug("CONTEXTVISION_DEBUG", ALLOWED_HOSTS)
CSRF_TRUSTED_ORIGINS = env.words("CONTEXTVISION_TRUSTED_ORIGINS", "")
WEB_PROCESSES = env.whole("CONTEXTVISION_WEB_PROCESSES", 1, minimum=1)
"""Each holds its own copy of the model; queries and pages share its threads."""
WEB_THREADS = 64
"""Of each process: more than the searches that may wait for the model (search/engine.py), so that
the next one is told to come back instead of waiting unseen."""
ROOT_URLCONF = "contextvision_site.urls"
WSGI_APPLICATION = "contextvision_site.wsgi.application"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "knox",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "axes",
    "csp",
    "gallery",
    "search",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "contextvision_site.middleware.PrivacyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "contextvision_site.middleware.OutageMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "contextvision_site.middleware.AuditMiddleware",
    "contextvision_site.middleware.SignInMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [_SHARED / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "gallery.rendering.compact.CompactLoader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
            # What makes pages quick, under names of its own.
            "libraries": {
                "cached_i18n": "gallery.rendering.cached_i18n",
                "icons": "gallery.rendering.icons",
                "marking": "gallery.rendering.marking",
                "gallery_tiles": "search.views.gallery_tiles",
            },
        },
    },
    # For the pictures of a gallery alone; see search/views/gallery_tiles.py.
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [_SHARED / "templates" / "jinja2"],
        "OPTIONS": {
            "extensions": ["gallery.rendering.compact.CompactExtension"],
            "trim_blocks": True,
            "lstrip_blocks": True,
        },
    },
]

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
# Served from the source folders until `collectstatic` was run, so a fresh checkout just works.
WHITENOISE_USE_FINDERS = True
warnings.filterwarnings("ignore", "No directory at")  # WhiteNoise, until then

# --- Languages -------------------------------------------------------------------------------
LANGUAGE_CODE = "en"  # what is written in the source; commands, workers and logs speak it
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [_SHARED / "locale"]
FORMAT_MODULE_PATH = ["contextvision_site.formats"]
LANGUAGE_COOKIE_AGE = 365 * 24 * 60 * 60  # seconds
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
TIME_ZONE = "UTC"
USE_TZ = True

# --- The database ----------------------------------------------------------------------------
DATABASES = {"default": env.database("DATABASE_URL", f"sqlite:///{DATA_DIR / 'db.sqlite3'}")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- The task queue --------------------------------------------------------------------------
CELERY_BROKER_URL = env.service("CELERY_BROKER_URL", "filesystem://localhost")
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "gallery.help_embedding": {"queue": "embed"},
}
CELERY_TASK_IGNORE_RESULT = True  # the Job row is the only record of a run
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_PUBLISH_RETRY = False  # a job that could not be sent is sent again by maintenance
CELERY_BROKER_CONNECTION_TIMEOUT = 1.0
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for its broker however long it is away
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Jobs are acknowledged early: their lease in the database, not the broker, brings a lost one back.
CELERY_TASK_ACKS_LATE = False
if CELERY_BROKER_URL.startswith("filesystem"):
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
        "data_folder_in": str(BROKER_DIR / "queue"),
        "data_folder_out": str(BROKER_DIR / "queue"),
        "control_folder": str(BROKER_DIR / "control"),
        "polling_interval": 0.2,  # seconds
    }
else:
    # One try of a second: whoever uploads does not wait for a broker that is away.
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "socket_connect_timeout": 1,
        "max_retries": 0,
        "interval_start": 0,
        "interval_step": 0,
        "interval_max": 0,
    }

# --- The search ------------------------------------------------------------------------------
CONTEXTVISION_MODEL = env.text("CONTEXTVISION_MODEL", "starter")
"""What new indexes are made with: 'starter', a CLIP name on the hub, or a folder."""
CONTEXTVISION_VIEWS = env.views("CONTEXTVISION_VIEWS", "centre")
"""What the vector of a picture is made of by new models: the mean of these looks at it."""
CONTEXTVISION_SQUARES = env.flag("CONTEXTVISION_SQUARES", True)
"""Whether pictures that are wide or tall are looked at in squares at both ends, too."""
CONTEXTVISION_SENTENCE_MODEL = env.text("CONTEXTVISION_SENTENCE_MODEL", "minilm")
"""What compares captions and titles with what is asked: 'minilm', or a sentence-transformers folder
or hub name."""
CONTEXTVISION_WORDS_LANGUAGE = env.choice(
    "CONTEXTVISION_WORDS_LANGUAGE", "english", LANGUAGES_OF_WORDS
)
"""The language whose forms of words find each other in titles, captions and tags."""
CONTEXTVISION_RUNTIME_OPTIONS = RuntimeOptions(
    device=env.text("CONTEXTVISION_DEVICE", "auto"),
    library=cast("Library", env.choice("CONTEXTVISION_RUNTIME", "auto", get_args(Library))),
    precision=cast("Precision", env.choice("CONTEXTVISION_PRECISION", "auto", get_args(Precision))),
)
"""Where and how models run; everything that loads one is handed this."""
CONTEXTVISION_TAIL_LIMIT = env.whole("CONTEXTVISION_TAIL_LIMIT", 2_000, minimum=1)
"""Pictures embedded since the index was built that are searched one by one; more of them queue a
rebuild."""
CONTEXTVISION_VECTOR_BACKEND = env.vector_backend("CONTEXTVISION_VECTOR_BACKEND", "faiss")
"""Where new indexes are kept: the address of a store, of a form in ``gallery.vectors.registry``."""
CONTEXTVISION_KEEP_INDEXES = env.whole("CONTEXTVISION_KEEP_INDEXES", 3, minimum=2)
"""How many index versions are kept, the active one and the one to roll back to included."""
CONTEXTVISION_RECALL_SAMPLE = env.share("CONTEXTVISION_RECALL_SAMPLE", 0.01)
"""Share of the searches in an approximate index that are run again exactly, to measure recall."""
CONTEXTVISION_METRICS_NETWORKS = env.networks("CONTEXTVISION_METRICS_NETWORKS", "")
"""From where /metrics may be read without signing in."""

CONTEXTVISION_DOCTOR_HOUR = env.hour("CONTEXTVISION_DOCTOR_HOUR", 3)
"""From which hour of the day, UTC, a worker looks for damage and mends it; None: never."""

# --- Training --------------------------------------------------------------------------------
CONTEXTVISION_GENERAL_SET = env.text("CONTEXTVISION_GENERAL_SET", "")
"""A folder or archive of captioned pictures that no model may forget; none when empty."""
CONTEXTVISION_GENERAL_SPLIT = env.text("CONTEXTVISION_GENERAL_SPLIT", "")
CONTEXTVISION_FORGETTING_MARGIN = env.share("CONTEXTVISION_FORGETTING_MARGIN", 0.05)
"""By how much a new model may be worse on the general set."""

# --- Limits on what comes in -----------------------------------------------------------------
MEGABYTE = 1024 * 1024
CONTEXTVISION_UPLOAD_MAX_BYTES = MEGABYTE * env.whole("CONTEXTVISION_UPLOAD_MAX_MB", 20, minimum=1)
CONTEXTVISION_UPLOAD_MAX_PIXELS = 1_000_000 * env.whole(
    "CONTEXTVISION_UPLOAD_MAX_MEGAPIXELS", 64, minimum=1
)
CONTEXTVISION_QUERY_MAX_BYTES = MEGABYTE * env.whole("CONTEXTVISION_QUERY_MAX_MB", 8, minimum=1)
CONTEXTVISION_QUERY_MAX_PIXELS = 1_000_000 * env.whole(
    "CONTEXTVISION_QUERY_MAX_MEGAPIXELS", 25, minimum=1
)
CONTEXTVISION_UPLOAD_MAX_ARCHIVE_BYTES = MEGABYTE * env.whole(
    "CONTEXTVISION_UPLOAD_MAX_ARCHIVE_MB", 8_192, minimum=1
)
CONTEXTVISION_DISK_RESERVE_BYTES = MEGABYTE * env.whole("CONTEXTVISION_DISK_RESERVE_MB", 512)
"""Room on each disk that what comes in may not take."""
CONTEXTVISION_SERVE_CREDIT = env.flag("CONTEXTVISION_SERVE_CREDIT", False)
"""Whether pictures that are served say who made them and whose they are."""
CONTEXTVISION_DEMO = env.flag("CONTEXTVISION_DEMO", False)
CONTEXTVISION_EXAMPLE_HOURS = env.whole("CONTEXTVISION_EXAMPLE_HOURS", 24, minimum=1)
"""How long a picture that somebody searches with is kept."""
DATA_UPLOAD_MAX_NUMBER_FILES = env.whole("CONTEXTVISION_UPLOAD_MAX_FILES", 500, minimum=1)
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * MEGABYTE

# --- Who may do what -------------------------------------------------------------------------
CONTEXTVISION_SIGN_IN = env.choice("CONTEXTVISION_SIGN_IN", "optional", ("optional", "required"))
"""Whether strangers see public pictures, or nothing but the page to sign in."""
CONTEXTVISION_AUDIT_DAYS = env.whole("CONTEXTVISION_AUDIT_DAYS", 365)
"""How long it is kept who did what; 0 for ever."""
CONTEXTVISION_AUDIT_ADDRESSES = env.choice(
    "CONTEXTVISION_AUDIT_ADDRESSES", "hashed", ("hashed", "whole", "none")
)
"""What is kept of the addresses from which it was done."""
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "search:home"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 1  # hours
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "contextvision_site.errors.locked_out"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]

# --- Headers ---------------------------------------------------------------------------------
HTTPS = env.flag("CONTEXTVISION_HTTPS", False)
"""On where visitors reach the site over HTTPS; it then refuses to be used over plain HTTP."""
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
LANGUAGE_COOKIE_SECURE = HTTPS
_HSTS_DAYS = env.whole("CONTEXTVISION_HSTS_DAYS", 365)
SECURE_HSTS_SECONDS = _HSTS_DAYS * 86_400 if HTTPS else 0
# Both speak for hosts that are not this program's, and preloading is hard to take back.
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("CONTEXTVISION_HSTS_SUBDOMAINS", False)
SECURE_HSTS_PRELOAD = env.flag("CONTEXTVISION_HSTS_PRELOAD", False)
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]  # which recommend them to everybody
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]  # probes come from inside, over plain HTTP
TRUSTED_PROXIES = env.whole("CONTEXTVISION_TRUSTED_PROXIES", 0)
"""How many reverse proxies stand in front; 0 means X-Forwarded-* headers are not believed."""
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
AXES_IPWARE_PROXY_COUNT = TRUSTED_PROXIES
FRAME_ANCESTORS = env.words("CONTEXTVISION_FRAME_ANCESTORS", "")
"""Origins whose pages may show this site in a frame."""
# In a frame of another site, a browser sends only cookies that say so.
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "None" if FRAME_ANCESTORS and HTTPS else "Lax"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"  # it cannot name origins, and a browser that knows the policy ignores it
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "img-src": [SELF, "data:", "blob:"],
        "script-src": [SELF],
        "style-src": [SELF],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": FRAME_ANCESTORS or [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
    }
}

# --- The API ---------------------------------------------------------------------------------
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "gallery.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["gallery.throttling.PersonThrottle"],
    "DEFAULT_THROTTLE_RATES": {
        "anonymous": env.rate("CONTEXTVISION_THROTTLE_ANONYMOUS", "120/minute"),
        "user": env.rate("CONTEXTVISION_THROTTLE_USER", "600/minute"),
        "examples": env.rate("CONTEXTVISION_THROTTLE_EXAMPLES", "120/hour"),
        "login": env.rate("CONTEXTVISION_THROTTLE_LOGIN", "20/minute"),
        "logins": env.rate("CONTEXTVISION_THROTTLE_LOGINS", "120/minute"),
    },
    "DEFAULT_PARSER_CLASSES": ["gallery.api.parsers.BoundedJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "gallery.api.pagination.CursorPages",
    "DEFAULT_METADATA_CLASS": None,  # the schema describes the API
    "DEFAULT_SCHEMA_CLASS": "gallery.api.schema.ProblemAutoSchema",
    "EXCEPTION_HANDLER": "gallery.api.problems.exception_handler",
    "NUM_PROXIES": TRUSTED_PROXIES,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
REST_KNOX = {"TOKEN_TTL": timedelta(hours=env.whole("CONTEXTVISION_TOKEN_HOURS", 24, minimum=1))}
"""Tokens for programs; the database keeps only their hashes."""

# --- Caches ----------------------------------------------------------------------------------
_CACHE_URL = env.service("CACHE_URL", "")
CACHES: dict[str, Any] = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": _CACHE_URL,
        "OPTIONS": {
            "serializer": "gallery.caching.JSONSerializer",
            "socket_connect_timeout": 1,
            "socket_timeout": 1,
        },
    }
    if _CACHE_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    # What stands in when the shared cache is out of reach; see gallery/caching.py.
    "local": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "local"},
}

KNOWN_VARIABLES = frozenset(env.read)
"""What of the environment is a setting; `manage.py check` names what looks like one and is none."""
