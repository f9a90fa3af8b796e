"""Keys over HTTP."""

from nsl.keys.api import keys, lifecycle, policies

#: what ``nsl.http`` mounts
HANDLERS = (*keys.HANDLERS, *lifecycle.HANDLERS, *policies.HANDLERS)
