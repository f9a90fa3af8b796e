"""Keys over HTTP."""

from nsl.keys.api import keys, lifecycle, policies, portable, secrets

#: what ``nsl.http`` mounts
HANDLERS = (
    *keys.HANDLERS,
    *lifecycle.HANDLERS,
    *policies.HANDLERS,
    *portable.HANDLERS,
    *secrets.HANDLERS,
)
