"""Keys over HTTP."""

from nsl.keys.api import keys, lifecycle

#: what ``nsl.http`` mounts
HANDLERS = (*keys.HANDLERS, *lifecycle.HANDLERS)
