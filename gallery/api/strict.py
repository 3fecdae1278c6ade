"""Refuses by name what a request holds and nothing reads: what is ignored gives a wrong answer."""

from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from django.utils.translation import gettext
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType, ValidationError
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.views import APIView

if TYPE_CHECKING:
    _View: TypeAlias = APIView
else:
    _View = object

Address: TypeAlias = Mapping[str, type[serializers.Serializer[Any]]]

OF_SESSIONS = "csrfmiddlewaretoken"
"""In forms of browsers, whoever reads the rest of it."""


def refuse_unknown(names: Iterable[str], known: Collection[str]) -> None:
    """Raise ValidationError for names that are not known."""
    unknown = [name for name in names if name not in known]
    if unknown:
        sentence = gettext("There is no parameter of this name.")
        raise ValidationError({name: [sentence] for name in unknown})


class StrictSerializer(serializers.Serializer[Any]):
    """Takes the fields it has and no others; one that is only told is not taken either."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            # A list may be sent in numbered fields of a form: tags[0].
            refuse_unknown(
                (name for name in map(str, data) if name.partition("[")[0] not in self.fields),
                {OF_SESSIONS},
            )
            told = [name for name in data if name in self.fields and self.fields[name].read_only]
            if told:
                sentence = gettext("This is only told; it cannot be set.")
                raise ValidationError({name: [sentence] for name in told})
        return super().to_internal_value(data)


class StrictView(_View):
    """Judges the address, and what is sent where nothing is expected; a body that is expected is
    the business of a :class:`StrictSerializer`."""

    address: ClassVar[Address] = {}
    """What reads the address, by action or method."""
    lists: ClassVar[Collection[str]] = ("list",)
    """Actions that answer in pages and take the filters of the view."""
    without_body: ClassVar[Collection[str]] = ()
    """Actions that write, and expect nothing."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        action = getattr(self, "action", None) or (request.method or "").lower()
        refuse_unknown(request.query_params, self._read_from_address(action))
        if action in self.without_body:
            refuse_unknown(_body(request), ())

    def _read_from_address(self, action: str) -> set[str]:
        known = {api_settings.URL_FORMAT_OVERRIDE or ""}
        if action in self.address:
            known |= names_of(self.address[action])
        if action in self.lists:
            known |= set(getattr(getattr(self, "filterset_class", None), "base_filters", ()))
            paginator = getattr(self, "paginator", None)
            if paginator is not None:
                fields = paginator.get_schema_operation_parameters(self)
                known |= {field["name"] for field in fields}
        return known


@cache
def names_of(serializer: type[serializers.Serializer[Any]]) -> frozenset[str]:
    """Name what a serializer reads; the same for every request."""
    return frozenset(serializer().fields)


def _body(request: Request) -> Iterable[str]:
    try:
        return request.data if isinstance(request.data, Mapping) else ()
    except UnsupportedMediaType:
        return ()  # what cannot be read says nothing
