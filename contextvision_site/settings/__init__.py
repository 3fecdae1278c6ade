"""Every setting once, read from the environment.

With no variable set the project runs on SQLite, a broker made of folders, and the starter model:
no service and no download. docs/settings.md lists the variables; a test holds the two together.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF

from contextvision_site.settings import env

BASE_DIR = Path(__file__).resolve().parent.parent.parent

# --- Where things are kept -------------------------------------------------------------------
DATA_DIR = env.folder("CONTEXTVISION_DATA_DIR", BASE_DIR / "var")
MEDIA_ROOT = DATA_DIR / "media"
INDEX_DIR = DATA_DIR / "indexes"
MODELS_DIR = DATA_DIR / "models"
BROKER_DIR = DATA_DIR / "broker"
TRANSFER_DIR = DATA_DIR / "transfers"
"""Files on their way in or out: uploads in parts, archives that are imported, exported models."""

_BUCKET = env.bucket("CONTEXTVISION_MEDIA_S3", "")  # keeps the pictures instead of MEDIA_ROOT
STORAGES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "gallery.bucket.BucketStorage",
        "OPTIONS": {
            "bucket_name": _BUCKET[0],
            "location": _BUCKET[1],
            # What is left out is found by boto3: its own variables, or the machine's role.
            "endpoint_url": env.address("CONTEXTVISION_MEDIA_S3_ENDPOINT", "") or None,
            "region_name": env.text("CONTEXTVISION_MEDIA_S3_REGION", "") or None,
            "access_key": env.text("CONTEXTVISION_MEDIA_S3_KEY", "") or None,
            "secret_key": env.text("CONTEXTVISION_MEDIA_S3_SECRET", "") or None,
        },
    }
    if _BUCKET
    else {"BACKEND": "gallery.storage.AtomicFileSystemStorage"},
    "staticfiles": {"BACKEND": "contextvision_site.static.CollectedOrSourceStorage"},
}

# --- The web ---------------------------------------------------------------------------------
DEBUG = env.flag("CONTEXTVISION_DEBUG", False)
SECRET_KEY = env.secret("CONTEXTVISION_SECRET_KEY", DATA_DIR / "secret_key")
ALLOWED_HOSTS = env.words("CONTEXTVISION_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
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
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "contextvision_site.middleware.OutageMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["contextvision_site.icons", "search.views.gallery_tiles"],
            "libraries": {"i18n": "contextvision_site.phrases"},
        },
    },
    # For the pictures of a gallery alone; see search/views/gallery_tiles.py.
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [BASE_DIR / "templates" / "jinja2"],
    },
]

SILENCED_SYSTEM_CHECKS = ["templates.W003"]  # i18n stands in for Django's, by intent

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns of a folder that is not there
# Served from the source folders until `collectstatic` was run, so a fresh checkout just works.
WHITENOISE_USE_FINDERS = True

# --- Languages -------------------------------------------------------------------------------
LANGUAGE_CODE = "en"  # what is written in the source; commands, workers and logs speak it
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
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
CELERY_BROKER_URL = env.text("CELERY_BROKER_URL", "filesystem://localhost")
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "gallery.help_embedding": {"queue": "embed"},
    "gallery.train": {"queue": "train"},
    "gallery.evaluate": {"queue": "train"},
}
CELERY_TASK_IGNORE_RESULT = True  # the Job row is the only record of a run
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_PUBLISH_RETRY = False  # a job that could not be sent is sent again by maintenance
CELERY_BROKER_CONNECTION_TIMEOUT = 1.0
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
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
    for _folder in ("queue", "control"):
        (BROKER_DIR / _folder).mkdir(parents=True, exist_ok=True)
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
CONTEXTVISION_DEVICE = env.text("CONTEXTVISION_DEVICE", "auto")
# mlcore/runtime.py reads it itself, knowing no settings; here a wrong value is told at the start.
CONTEXTVISION_RUNTIME = env.choice("CONTEXTVISION_RUNTIME", "auto", ("auto", "openvino", "torch"))
CONTEXTVISION_PRECISION = env.choice(
    "CONTEXTVISION_PRECISION", "auto", ("auto", "float32", "bfloat16", "int8")
)
CONTEXTVISION_TAIL_LIMIT = env.whole("CONTEXTVISION_TAIL_LIMIT", 2_000, minimum=1)
"""Pictures embedded since the index was built that are searched one by one; more of them queue a
rebuild."""
CONTEXTVISION_VECTOR_BACKEND = env.vector_backend("CONTEXTVISION_VECTOR_BACKEND", "faiss")
"""Where new indexes are kept: ``faiss`` (files on this machine), or a Milvus server's address."""
CONTEXTVISION_KEEP_INDEXES = env.whole("CONTEXTVISION_KEEP_INDEXES", 3, minimum=2)
"""How many index versions are kept, the active one and the one to roll back to included."""
CONTEXTVISION_RECALL_SAMPLE = env.share("CONTEXTVISION_RECALL_SAMPLE", 0.01)
"""Share of the searches in an approximate index that are run again exactly, to measure recall."""
CONTEXTVISION_METRICS_NETWORKS = env.networks("CONTEXTVISION_METRICS_NETWORKS", "")
"""From where /metrics may be read without signing in."""

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
    "CONTEXTVISION_UPLOAD_MAX_MEGAPIXELS", 50, minimum=1
)
CONTEXTVISION_QUERY_MAX_BYTES = MEGABYTE * env.whole("CONTEXTVISION_QUERY_MAX_MB", 8, minimum=1)
CONTEXTVISION_QUERY_MAX_PIXELS = 1_000_000 * env.whole(
    "CONTEXTVISION_QUERY_MAX_MEGAPIXELS", 25, minimum=1
)
CONTEXTVISION_UPLOAD_MAX_ARCHIVE_BYTES = MEGABYTE * env.whole(
    "CONTEXTVISION_UPLOAD_MAX_ARCHIVE_MB", 8_192, minimum=1
)
CONTEXTVISION_EXAMPLE_HOURS = env.whole("CONTEXTVISION_EXAMPLE_HOURS", 24, minimum=1)
"""How long a picture that somebody searches with is kept."""
DATA_UPLOAD_MAX_NUMBER_FILES = env.whole("CONTEXTVISION_UPLOAD_MAX_FILES", 500, minimum=1)
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * MEGABYTE

# --- Who may do what -------------------------------------------------------------------------
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
LOGIN_REDIRECT_URL = "search:home"
LOGOUT_REDIRECT_URL = "search:home"
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
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]  # probes come from inside, over plain HTTP
TRUSTED_PROXIES = env.whole("CONTEXTVISION_TRUSTED_PROXIES", 0)
"""How many reverse proxies stand in front; 0 means X-Forwarded-* headers are not believed."""
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
AXES_IPWARE_PROXY_COUNT = TRUSTED_PROXIES
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "img-src": [SELF, "data:", "blob:"],
        "script-src": [SELF],
        "style-src": [SELF],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
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
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticatedOrReadOnly"],
    "DEFAULT_THROTTLE_CLASSES": ["gallery.api.throttling.PersonThrottle"],
    "DEFAULT_THROTTLE_RATES": {
        "anonymous": env.rate("CONTEXTVISION_THROTTLE_ANONYMOUS", "120/minute"),
        "user": env.rate("CONTEXTVISION_THROTTLE_USER", "600/minute"),
        "login": env.rate("CONTEXTVISION_THROTTLE_LOGIN", "20/minute"),
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

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "ContextVision",
    "DESCRIPTION": "Finds pictures by what they show. Anybody may search public pictures; only "
    "staff may change anything. Every error is a problem document (RFC 9457).",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "JobKindEnum": "gallery.models.job.Job.Kind",
        "JobStatusEnum": "gallery.models.job.Job.Status",
    },
}

# --- Caches and logs -------------------------------------------------------------------------
_CACHE_URL = env.text("CACHE_URL", "")
CACHES: dict[str, Any] = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": _CACHE_URL,
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},
    }
    if _CACHE_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    # What stands in when the shared cache is out of reach; see gallery/caching.py.
    "local": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "local"},
}

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {
        "handlers": ["console"],
        "level": env.choice(
            "CONTEXTVISION_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")
        ),
    },
    "loggers": {
        "django.server": {"handlers": ["console"], "level": "INFO", "propagate": False},
        # Else these greet at the start of every command.
        "axes.apps": {"level": "WARNING"},
        "faiss.loader": {"level": "WARNING"},
    },
}
