"""Destroying a key: not while its addresses hold something, unless whoever asks for it has accepted that."""

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from nsl.identity.model import Caller
from nsl.identity.service import Note
from nsl.keys.errors import BalancesRemain
from nsl.keys.model import AddressFilter, Key
from nsl.keys.ports import Holdings
from nsl.keys.service.addresses import DepositAddresses
from nsl.keys.service.signing import Keys
from nsl_protocol.enclave.lifecycle import ChangeApproval, KeyChange, KeyState

#: so many deposit addresses are looked at
ADDRESSES_MAX: Final = 100
#: a sentence names so many of those that hold something
_NAMED_MAX: Final = 10
_ACCEPTED: Final = "accept_balances (`nsl keys destroy --accept-balances`)"


class Destroying:
    """Of all tenants, one tenant at a time."""

    def __init__(self, keys: Keys, addresses: DepositAddresses, holdings: Holdings) -> None:
        self._keys = keys
        self._addresses = addresses
        self._holdings = holdings

    async def begin(
        self,
        caller: Caller,
        key_id: UUID,
        wait_seconds: int,
        *,
        approval: ChangeApproval | None = None,
        accept_balances: bool = False,
        note: Note[Key] | None = None,
    ) -> Key:
        """Let a key sign nothing from now on, and be destroyed after a wait.

        Args:
            approval: of its approvers, where its policy names who changes it.
            accept_balances: whatever its addresses hold is lost with it.

        Raises:
            KeyUnknown, KeyStateConflict, TooFewApprovals, ApprovalsExpired
            BalancesRemain: they hold something, or nobody says what.
        """
        key = await self._keys.get(caller.tenant, key_id)
        if not accept_balances and key.state not in (KeyState.DESTROYING, KeyState.DESTROYED):
            await self._insist_on_empty(caller.tenant, key)
        return await self._keys.change(
            caller, key_id, KeyChange.DESTROY_LATER, wait_seconds=wait_seconds, approval=approval, note=note
        )

    async def _insist_on_empty(self, tenant: UUID, key: Key) -> None:
        for chain, address in key.addresses.items():
            below, following = await self._addresses.page(
                tenant, key.id, AddressFilter(), after=-1, limit=ADDRESSES_MAX
            )
            if following is not None:
                raise BalancesRemain(
                    f"The key has more than {ADDRESSES_MAX} deposit addresses, which are not all looked at: sweep "
                    f"them, and destroy it with {_ACCEPTED}."
                )
            contracts = [
                each.contract
                for each in key.policy.assets.values()
                if each.chain == chain and each.contract != "native"
            ]
            addresses = [address, *(each.address for each in below.items)]
            found = await asyncio.gather(*(self._holdings.holdings(chain, each, contracts) for each in addresses))
            _insist_on_nothing(chain, addresses, found)


def _insist_on_nothing(chain: str, addresses: Sequence[str], found: Sequence[Sequence[str] | None]) -> None:
    unknown = [address for address, amounts in zip(addresses, found, strict=True) if amounts is None]
    if unknown:
        raise BalancesRemain(
            f"No node of {chain} says what {unknown[0]} holds. Try again when one answers; or destroy the key with "
            f"{_ACCEPTED}, and what it holds is lost."
        )
    held = [
        f"{address} holds {', '.join(amounts)}" for address, amounts in zip(addresses, found, strict=True) if amounts
    ]
    if held:
        more = f", and {len(held) - _NAMED_MAX} more" if len(held) > _NAMED_MAX else ""
        raise BalancesRemain(
            f"On {chain}, {'; '.join(held[:_NAMED_MAX])}{more}. Move it first: a destroyed key comes back from no "
            f"backup. Or destroy it with {_ACCEPTED}, and that is lost."
        )
