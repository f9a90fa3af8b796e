"""Compliance over HTTP."""

from nsl.compliance.api import holds, people

#: what ``nsl.http`` mounts
HANDLERS = (*holds.HANDLERS, *people.HANDLERS)
