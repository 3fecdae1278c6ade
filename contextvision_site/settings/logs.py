"""What is logged: everything to the console, where a container's engine or systemd keeps it."""

from typing import Any

from contextvision_site.settings import env

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
