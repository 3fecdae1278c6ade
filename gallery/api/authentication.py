"""Tokens for programs."""

from typing import Any

from django.utils.translation import gettext
from knox.auth import TokenAuthentication as KnoxTokenAuthentication
from rest_framework.exceptions import AuthenticationFailed


class TokenAuthentication(KnoxTokenAuthentication):  # type: ignore[misc]
    """``Authorization: Token <token>``; the database keeps only a hash of the token."""

    def authenticate_credentials(self, token: bytes) -> Any:
        # Knox makes tokens of letters and digits; other bytes must not reach the database.
        if not token.isalnum():
            raise AuthenticationFailed(gettext("Invalid token."))
        return super().authenticate_credentials(token)
