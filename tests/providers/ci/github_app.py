"""The App of our fake of GitHub: it knows a public key, and admits who holds the private one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

APP = "123456"
SLUG = "gonogo-of-acme"
PERMISSIONS = {
    "metadata": "read", "contents": "read", "actions": "write",
    "statuses": "read", "checks": "read", "deployments": "write",
}  # fmt: skip
_MESSAGES = {
    401: "Bad credentials",
    403: "Resource not accessible by personal access token",
    404: "Not Found",
    422: "Validation Failed",
}


class Refused(Exception):  # noqa: N818 - a word, not a family
    """An answer that is no success."""

    def __init__(self, status: int, message: str = "", **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message or _MESSAGES.get(status, "Server Error")
        self.headers = headers


@cache
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = (
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return key.private_bytes(*form).decode()


@cache
def _public_key() -> rsa.RSAPublicKey:
    key = serialization.load_pem_private_key(private_key().encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key.public_key()


@dataclass
class App:
    """[docs] "Generating a JSON Web Token (JWT) for a GitHub App"."""

    permissions: dict[str, str] = field(default_factory=lambda: dict(PERMISSIONS))
    suspended: bool = False

    def admit(self, shown: str, now: datetime) -> None:
        try:
            claims: dict[str, Any] = jwt.decode(
                shown, _public_key(), ["RS256"], options={"verify_exp": False, "verify_iat": False}
            )
        except jwt.PyJWTError:
            raise Refused(401, "A JSON web token could not be decoded") from None
        if claims.get("iss") != APP:
            raise Refused(401, "Integration not found")
        if claims["iat"] > now.timestamp():
            raise Refused(
                401,
                (
                    "'Issued at' claim ('iat') must be an Integer representing the time that "
                    "the assertion was issued"
                ),
            )
        if not now.timestamp() < claims["exp"] <= now.timestamp() + 600:
            raise Refused(401, "'Expiration time' claim ('exp') is too far in the future")
        if self.suspended:
            raise Refused(403, "This installation has been suspended")
