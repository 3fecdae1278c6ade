"""How the OpenAPI schema is made: every endpoint also tells the problems it may answer with."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import build_bearer_security_scheme_object
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from gallery.access import is_closed
from gallery.api.permissions import Open, Permitted, needed_for
from gallery.api.problems import MEDIA_TYPE, PICTURE_REJECTED, problem_document
from gallery.api.serializers import ProblemSerializer

WHEN = {
    "400": "Something in the request makes no sense; `errors` names the fields.",
    "401": "The token is wrong or has expired, or there is none and one is needed.",
    "403": "This account may not do this, or the CSRF token of a session is missing.",
    "404": "It does not exist, or is not for this account to see.",
    "406": "The answer cannot be given in a format that the request accepts.",
    "409": "It cannot be done in the state that things are in.",
    "413": "What was sent is larger than is accepted.",
    "415": "The body is of a content type that is not read here.",
    "422": "A file is not accepted as a picture.",
    "429": "Too many requests; `Retry-After` says how many seconds to wait.",
    "503": "Something that is needed is out of reach for the moment; see `Retry-After`.",
    "507": "There is no room left on the server's disk; nothing of it was kept.",
}


class ProblemAutoSchema(AutoSchema):
    """Adds problems to each operation: those of its kind, and its view's ``extra_problems``."""

    def get_override_parameters(self) -> list[Any]:
        return [
            OpenApiParameter(
                "Retry-After",
                int,
                OpenApiParameter.HEADER,
                description="Seconds.",
                response=[429, 503],
            )
        ]

    def get_auth(self) -> list[Any]:
        auths: list[Any] = super().get_auth()
        is_open = any(isinstance(each, Open) for each in self.view.get_permissions())
        if is_open and not is_closed() and not self._needs():
            auths.append({})
        return auths

    def _needs(self) -> bool:
        """Tell whether an account is needed, or rights."""
        is_permitted = any(isinstance(each, Permitted) for each in self.view.get_permissions())
        return is_permitted and needed_for(self.view) is not None

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        responses = super()._get_response_bodies(direction)
        for code in sorted(self._problem_codes()):
            responses.setdefault(code, self._problem(code, direction))
        return responses

    def _problem(self, code: str, direction: Any) -> Any:
        response = OpenApiResponse(ProblemSerializer, WHEN[code], _EXAMPLES.get(code))
        return self._get_response_for_code(  # type: ignore[no-untyped-call]
            response, code, [MEDIA_TYPE], direction
        )

    def _problem_codes(self) -> set[str]:
        codes = {"400", "401", "406", "429", "503"}
        is_write = self.method not in ("GET", "HEAD")
        if is_write or self._needs():
            codes.add("403")
        if "{" in self.path:
            codes.add("404")
        if self._get_request_body():  # type: ignore[no-untyped-call]
            codes |= {"413", "415", "507"}
        extra = getattr(self.view, "extra_problems", {})
        action = getattr(self.view, "action", None) or self.method.lower()
        return codes | set(extra.get(action, ()))


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "gallery.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> Any:
        return build_bearer_security_scheme_object(
            header_name="Authorization", token_prefix=self.target.authenticate_header("")
        )


_EXAMPLES = {
    "404": [
        OpenApiExample("Not there", problem_document(404, "There is nothing at this address.")),
    ],
    "422": [
        OpenApiExample(
            "Not a picture",
            problem_document(
                422,
                "notes.txt: this is not a picture in a format that is accepted; send JPEG, PNG, "
                "WebP, GIF, AVIF, HEIC.",
                kind=PICTURE_REJECTED,
            ),
        ),
    ],
    "429": [
        OpenApiExample(
            "Too many requests",
            problem_document(429, "Request was throttled. Expected available in 12 seconds."),
        ),
    ],
}
