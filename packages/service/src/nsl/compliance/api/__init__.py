"""Compliance over HTTP."""

from nsl.compliance.api import access, holds, people

#: what ``nsl.http`` mounts
HANDLERS = (*access.HANDLERS, *holds.HANDLERS, *people.HANDLERS)
