"""The web console: pages for signing in, consenting, and one's own account."""

from nsl.http.console import account, authorizing, entering, joining, pages, security

#: what ``nsl.http`` mounts
HANDLERS = (
    *pages.HANDLERS, *entering.HANDLERS, *joining.HANDLERS, *authorizing.HANDLERS, *account.HANDLERS,
    *security.HANDLERS,
)  # fmt: skip
