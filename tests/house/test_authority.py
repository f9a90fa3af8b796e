"""Every public endpoint has its authority in its signature, and each slice's endpoints are all mounted."""

from nsl.http.app import ENDPOINTS
from nsl.http.authority import stated
from nsl.identity import api as identity
from nsl.identity.model import Public, Requires
from nsl.keys import api as keys
from nsl.ledger import api as ledger
from nsl.transactions import api as transactions


def test_every_endpoint_states_who_may_call_it() -> None:
    for handler in ENDPOINTS:
        authority = stated(handler.fn)
        assert isinstance(authority, Requires | Public)
        if isinstance(authority, Public):
            assert authority.reason


def test_every_endpoint_of_a_slice_is_mounted() -> None:
    for module in (identity, keys, ledger, transactions):
        assert set(module.HANDLERS) <= set(ENDPOINTS)
