"""Keys over HTTP."""

from nsl.keys.api import addresses, approvals, finding, freezing, keys, lifecycle, policies, portable, secrets

#: what ``nsl.http`` mounts
HANDLERS = (
    *keys.HANDLERS,
    *finding.HANDLERS,
    *lifecycle.HANDLERS,
    *freezing.HANDLERS,
    *policies.HANDLERS,
    *portable.HANDLERS,
    *secrets.HANDLERS,
    *approvals.HANDLERS,
    *addresses.HANDLERS,
)
