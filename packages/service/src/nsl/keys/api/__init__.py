"""Keys over HTTP."""

from nsl.keys.api import keys, lifecycle, portable

#: what ``nsl.http`` mounts
HANDLERS = (*keys.HANDLERS, *lifecycle.HANDLERS, *portable.HANDLERS)
