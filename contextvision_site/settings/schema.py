"""How the API describes itself (OpenAPI)."""

from typing import Any

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "ContextVision",
    "DESCRIPTION": "Finds pictures by what they show. Anybody may search public pictures; what "
    "else an account may do follows from its roles. Every error is a problem document (RFC 9457).",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["gallery.api.permissions.Open"],
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "VisibilityEnum": "gallery.models.choices.Visibility",
        "SourceVisibilityEnum": "gallery.api.source_serializers.AUDIENCES",
        "JobKindEnum": "gallery.models.job.Job.Kind",
        "JobStatusEnum": "gallery.models.job.Job.Status",
    },
}
