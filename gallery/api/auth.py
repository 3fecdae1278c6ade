"""Getting and giving back tokens."""

from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.utils.translation import gettext
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from knox.models import AuthToken
from knox.settings import knox_settings
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gallery import audit
from gallery.api.authentication import TokenAuthentication
from gallery.api.serializers import TokenRequestSerializer, TokenSerializer
from gallery.api.strict import StrictView
from gallery.throttling import LoginThrottle, PersonThrottle


class TokenView(StrictView, APIView):
    """Get a token."""

    # Neither a session nor an old token plays a part in getting a new one.
    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = [LoginThrottle]

    @extend_schema(
        operation_id="token_create",
        tags=["auth"],
        request=TokenRequestSerializer,
        responses={201: TokenSerializer},
        examples=[
            OpenApiExample(
                "Log in",
                {"username": "ann", "password": "correct horse battery staple"},
                request_only=True,
            ),
            OpenApiExample(
                "A token",
                {"token": "4f1c…", "expires_at": "2026-01-01T10:00:00Z"},
                response_only=True,
                status_codes=["201"],
            ),
        ],
    )
    def post(self, request: Request) -> Response:
        """Exchange a name and a password for a token that expires.

        After several wrong passwords the name is locked for an hour at this address (429).
        """
        credentials = TokenRequestSerializer(data=request.data)
        credentials.is_valid(raise_exception=True)
        # The lockout reads and marks Django's own request.
        plain_request = request._request
        user = authenticate(plain_request, **credentials.validated_data)
        if user is None:
            raise AuthenticationFailed(gettext("No active account has this name and password."))
        instance, token = AuthToken.objects.create(user=user, expiry=knox_settings.TOKEN_TTL)
        audit.record("token_made", user=user, kind="account", pk=user.pk)
        user_logged_in.send(sender=type(user), request=plain_request, user=user)
        answer = TokenSerializer({"token": token, "expires_at": instance.expiry})
        return Response(answer.data, status=201)

    def get_authenticate_header(self, request: Request) -> str:
        return str(TokenAuthentication().authenticate_header(request))


class LogoutView(StrictView, APIView):
    """Give back the token that the request came with."""

    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]
    throttle_classes = [PersonThrottle]
    without_body = ("post",)

    @extend_schema(
        operation_id="token_revoke",
        tags=["auth"],
        request=None,
        responses={204: OpenApiResponse(description="The token is no longer valid.")},
    )
    def post(self, request: Request) -> Response:
        """Give back the token that this request came with."""
        request.auth.delete()
        audit.record("token_revoked")
        self._tell(request)
        return Response(status=204)

    def _tell(self, request: Request) -> None:
        user_logged_out.send(sender=type(request.user), request=request._request, user=request.user)


class LogoutAllView(LogoutView):
    """Give back every token of this account."""

    @extend_schema(
        operation_id="token_revoke_all",
        tags=["auth"],
        request=None,
        responses={204: OpenApiResponse(description="No token of this account is valid.")},
    )
    def post(self, request: Request) -> Response:
        """Give back every token of this account."""
        AuthToken.objects.filter(user=request.user).delete()
        audit.record("tokens_revoked")
        self._tell(request)
        return Response(status=204)
