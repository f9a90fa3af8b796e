"""What the clients have methods for: each a call that is written once in ``calls``, bound here to either client."""

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Protocol

from nsl_client import addresses, approvals, calls, compliance, destroying, freezing, secret_keys, signing
from nsl_client.calls import Call


class Runner(Protocol):
    """Carries a call out."""

    def run[T](self, call: Call[T]) -> T: ...


class AsyncRunner(Protocol):
    """Carries a call out."""

    async def run[T](self, call: Call[T]) -> T: ...


class _Resource:
    def __init__(self, client: Runner) -> None:
        self._client = client


class _AsyncResource:
    def __init__(self, client: AsyncRunner) -> None:
        self._client = client


def _method[**P, T](build: Callable[P, Call[T]]) -> Callable[Concatenate[_Resource, P], T]:
    def method(self: _Resource, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._client.run(build(*args, **kwargs))

    method.__doc__ = build.__doc__
    return method


def _async_method[**P, T](
    build: Callable[P, Call[T]],
) -> Callable[Concatenate[_AsyncResource, P], Coroutine[Any, Any, T]]:
    async def method(self: _AsyncResource, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._client.run(build(*args, **kwargs))

    method.__doc__ = build.__doc__
    return method


class Tenants(_Resource):
    create = _method(calls.create_tenant)
    list = _method(calls.list_tenants)
    set_plan = _method(calls.set_plan)


class Clients(_Resource):
    create = _method(calls.create_client)
    list = _method(calls.list_clients)


class Keys(_Resource):
    create = _method(calls.create_key)
    list = _method(calls.list_keys)
    update = _method(calls.update_key)
    get = _method(calls.get_key)
    policy = _method(calls.get_key_policy)
    evaluate = _method(calls.evaluate_policy)
    change_policy = _method(calls.change_policy)
    withdraw_policy = _method(calls.withdraw_policy)
    compare_policy = _method(calls.compare_policy)
    disable = _method(calls.disable_key)
    rotate = _method(calls.rotate_key)
    enable = _method(calls.enable_key)
    destroy = _method(destroying.destroy_key)
    destruction_certificate = _method(destroying.destruction_certificate)
    freeze = _method(freezing.freeze_key)
    unfreeze = _method(freezing.unfreeze_key)
    freeze_all = _method(freezing.freeze_tenant)
    lift_freeze = _method(freezing.lift_freeze)
    tenant_freeze = _method(freezing.tenant_freeze)
    import_parameters = _method(calls.get_import_parameters)
    import_key = _method(calls.import_key)
    export = _method(calls.export_key)
    attestation = _method(calls.get_key_attestation)
    sign = _method(signing.sign)
    sign_batch = _method(signing.sign_batch)
    verify = _method(signing.verify)
    make_addresses = _method(addresses.make_addresses)
    addresses = _method(addresses.list_addresses)
    encrypt = _method(secret_keys.encrypt)
    decrypt = _method(secret_keys.decrypt)
    generate_data_key = _method(secret_keys.generate_data_key)
    mac = _method(secret_keys.mac)
    verify_mac = _method(secret_keys.verify_mac)


class Ledger(_Resource):
    chains = _method(calls.list_chains)
    block = _method(calls.get_block)
    transaction = _method(calls.get_mined)
    balances = _method(calls.list_balances)
    fees = _method(calls.get_fees)


class Enclaves(_Resource):
    list = _method(calls.list_enclaves)
    evidence = _method(calls.get_evidence)
    cluster_freeze = _method(freezing.cluster_freeze)
    freeze_cluster = _method(freezing.freeze_cluster)
    unfreeze_cluster = _method(freezing.unfreeze_cluster)


class Audit(_Resource):
    tree_head = _method(calls.get_tree_head)
    consistency = _method(calls.get_consistency)
    records = _method(calls.list_records)
    proof = _method(calls.get_proof)
    leaves = _method(calls.list_leaves)
    receipt = _method(calls.get_receipt)


class Compliance(_Resource):
    access = _method(compliance.list_access)
    review_access = _method(compliance.review_access)
    governance = _method(compliance.get_governance)
    inventory = _method(compliance.get_inventory)
    export_person = _method(compliance.export_person)
    erase_person = _method(compliance.erase_person)
    set_hold = _method(compliance.set_hold)
    holds = _method(compliance.list_holds)
    lift_hold = _method(compliance.lift_hold)


class Approvals(_Resource):
    ask = _method(approvals.ask)
    list = _method(approvals.list_approvals)
    get = _method(approvals.get)
    decide = _method(approvals.decide)
    revoke = _method(approvals.revoke)


class Transactions(_Resource):
    transfer = _method(calls.create_transfer)
    get = _method(calls.get_transaction)
    list = _method(calls.list_transactions)


class AsyncTenants(_AsyncResource):
    create = _async_method(calls.create_tenant)
    list = _async_method(calls.list_tenants)
    set_plan = _async_method(calls.set_plan)


class AsyncClients(_AsyncResource):
    create = _async_method(calls.create_client)
    list = _async_method(calls.list_clients)


class AsyncKeys(_AsyncResource):
    create = _async_method(calls.create_key)
    list = _async_method(calls.list_keys)
    update = _async_method(calls.update_key)
    get = _async_method(calls.get_key)
    policy = _async_method(calls.get_key_policy)
    evaluate = _async_method(calls.evaluate_policy)
    change_policy = _async_method(calls.change_policy)
    withdraw_policy = _async_method(calls.withdraw_policy)
    compare_policy = _async_method(calls.compare_policy)
    disable = _async_method(calls.disable_key)
    rotate = _async_method(calls.rotate_key)
    enable = _async_method(calls.enable_key)
    destroy = _async_method(destroying.destroy_key)
    destruction_certificate = _async_method(destroying.destruction_certificate)
    freeze = _async_method(freezing.freeze_key)
    unfreeze = _async_method(freezing.unfreeze_key)
    freeze_all = _async_method(freezing.freeze_tenant)
    lift_freeze = _async_method(freezing.lift_freeze)
    tenant_freeze = _async_method(freezing.tenant_freeze)
    import_parameters = _async_method(calls.get_import_parameters)
    import_key = _async_method(calls.import_key)
    export = _async_method(calls.export_key)
    attestation = _async_method(calls.get_key_attestation)
    sign = _async_method(signing.sign)
    sign_batch = _async_method(signing.sign_batch)
    verify = _async_method(signing.verify)
    make_addresses = _async_method(addresses.make_addresses)
    addresses = _async_method(addresses.list_addresses)
    encrypt = _async_method(secret_keys.encrypt)
    decrypt = _async_method(secret_keys.decrypt)
    generate_data_key = _async_method(secret_keys.generate_data_key)
    mac = _async_method(secret_keys.mac)
    verify_mac = _async_method(secret_keys.verify_mac)


class AsyncLedger(_AsyncResource):
    chains = _async_method(calls.list_chains)
    block = _async_method(calls.get_block)
    transaction = _async_method(calls.get_mined)
    balances = _async_method(calls.list_balances)
    fees = _async_method(calls.get_fees)


class AsyncEnclaves(_AsyncResource):
    list = _async_method(calls.list_enclaves)
    evidence = _async_method(calls.get_evidence)
    cluster_freeze = _async_method(freezing.cluster_freeze)
    freeze_cluster = _async_method(freezing.freeze_cluster)
    unfreeze_cluster = _async_method(freezing.unfreeze_cluster)


class AsyncAudit(_AsyncResource):
    tree_head = _async_method(calls.get_tree_head)
    consistency = _async_method(calls.get_consistency)
    records = _async_method(calls.list_records)
    proof = _async_method(calls.get_proof)
    leaves = _async_method(calls.list_leaves)
    receipt = _async_method(calls.get_receipt)


class AsyncCompliance(_AsyncResource):
    access = _async_method(compliance.list_access)
    review_access = _async_method(compliance.review_access)
    governance = _async_method(compliance.get_governance)
    inventory = _async_method(compliance.get_inventory)
    export_person = _async_method(compliance.export_person)
    erase_person = _async_method(compliance.erase_person)
    set_hold = _async_method(compliance.set_hold)
    holds = _async_method(compliance.list_holds)
    lift_hold = _async_method(compliance.lift_hold)


class AsyncApprovals(_AsyncResource):
    ask = _async_method(approvals.ask)
    list = _async_method(approvals.list_approvals)
    get = _async_method(approvals.get)
    decide = _async_method(approvals.decide)
    revoke = _async_method(approvals.revoke)


class AsyncTransactions(_AsyncResource):
    transfer = _async_method(calls.create_transfer)
    get = _async_method(calls.get_transaction)
    list = _async_method(calls.list_transactions)
