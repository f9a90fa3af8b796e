"""Registration, sign-in, second factors, sessions and provisioning over HTTP."""

from nsl.accounts.api import account, provisioning, signing_in

#: what ``nsl.http`` mounts
HANDLERS = (*signing_in.HANDLERS, *account.HANDLERS, *provisioning.HANDLERS)
