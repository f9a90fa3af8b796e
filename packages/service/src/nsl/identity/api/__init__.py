"""Tenants, clients, people and their authority over HTTP."""

from nsl.identity.api import people, tenants

#: what ``nsl.http`` mounts
HANDLERS = (*tenants.HANDLERS, *people.HANDLERS)
