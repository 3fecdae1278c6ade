"""Reading what programs send, within bounds."""

from typing import IO, Any

from django.conf import settings
from django.utils.translation import gettext
from rest_framework import parsers
from rest_framework.exceptions import ParseError

from gallery.api.problems import TooLargeError
from mlcore.i18n import figure


def _check_length(context: Any) -> None:
    """Refuse a body before it is read; the server reads no more than the length that was told."""
    view, request = context["view"], context["request"]
    limit = getattr(view, "max_body_bytes", settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    length = int(request.META.get("CONTENT_LENGTH") or 0)
    if limit is not None and length > limit:
        sentence = gettext("The request holds %(size)s bytes; the limit here is %(limit)s.")
        values = {"size": figure(length, ","), "limit": figure(limit, ",")}
        raise TooLargeError(sentence % values)


class BoundedJSONParser(parsers.JSONParser):
    """JSON of a bounded length; Django's own limit does not reach DRF's parser."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None
    ) -> Any:
        _check_length(parser_context)
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError(gettext("The JSON is nested too deeply.")) from error


class BoundedMultiPartParser(parsers.MultiPartParser):
    """Forms with files, of a bounded length where the view sets one."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None
    ) -> Any:
        _check_length(parser_context)
        return super().parse(stream, media_type, parser_context)
