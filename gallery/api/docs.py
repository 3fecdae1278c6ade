"""The schema, and the page on which it can be read and tried."""

import threading
from typing import Any

from csp.constants import UNSAFE_INLINE
from csp.decorators import csp_update
from django.conf import settings
from django.utils import translation
from django.utils.decorators import method_decorator
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

_making = threading.Lock()
_made: dict[str, dict[str, Any]] = {}
"""The schema in each language: it is the same for everybody, and takes a second to make."""


class SharedSchemaGenerator(SchemaGenerator):
    """Makes the schema once. drf-spectacular loads parts of itself on the way, which fails in two
    threads at once.
    """

    def get_schema(self, request: Any = None, public: bool = False) -> dict[str, Any]:
        language = translation.get_language()
        if language not in dict(settings.LANGUAGES):  # an address may name any
            language = settings.LANGUAGE_CODE
        with _making, translation.override(language):
            if language not in _made:
                _made[language] = super().get_schema(request, public)  # type: ignore[no-untyped-call]
            return _made[language]


class SchemaView(SpectacularAPIView):
    """The OpenAPI 3 schema, as YAML or JSON."""

    generator_class = SharedSchemaGenerator

    def _get_version_parameter(self, request: Any) -> None:
        """Take no version from the address: there is one, and the name would go into a header."""


# Swagger UI sets styles on elements; scripts stay bound to files of this site.
@method_decorator(csp_update({"style-src": [UNSAFE_INLINE]}), name="dispatch")
class DocsView(SpectacularSwaggerSplitView):
    """Swagger UI, from files that a package carries."""

    url_name = "api:schema"
