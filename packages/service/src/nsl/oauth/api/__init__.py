"""The OpenID provider over HTTP."""

from nsl.oauth.api import clients, people, providers

#: what ``nsl.http`` mounts
HANDLERS = (*clients.HANDLERS, *people.HANDLERS, *providers.HANDLERS)
