"""Tokens, tenants and clients, and answers that are given once."""

from nsl.identity.service.idempotency import Idempotency, Note
from nsl.identity.service.tenancy import NewClient, Tenancy
from nsl.identity.service.tokens import AccessToken, Tokens

__all__ = ["AccessToken", "Idempotency", "NewClient", "Note", "Tenancy", "Tokens"]
