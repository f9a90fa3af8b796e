"""The way to an enclave: its quote is verified before anything is asked of it, then mutual TLS 1.3 of its cluster."""

from nsl.adapters.enclave.client import EnclaveClient
from nsl.adapters.enclave.enrolment import Identity, Visit, visit
from nsl.adapters.enclave.errors import DatabaseOlder, EnclaveDown, EnclaveRefused, EnclaveUntrusted, NoMajority
from nsl.adapters.enclave.register_store import PostgresRegister, RegisterStore
from nsl.adapters.enclave.stopping import ClusterStop
from nsl.adapters.enclave.trust import Trust

__all__ = [
    "ClusterStop",
    "DatabaseOlder",
    "EnclaveClient",
    "EnclaveDown",
    "EnclaveRefused",
    "EnclaveUntrusted",
    "Identity",
    "NoMajority",
    "PostgresRegister",
    "RegisterStore",
    "Trust",
    "Visit",
    "visit",
]
