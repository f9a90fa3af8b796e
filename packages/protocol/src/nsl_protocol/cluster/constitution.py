"""The manifests of a cluster together: the genesis, which makes it, and the one that holds now."""

from dataclasses import dataclass

from nsl_protocol.attestation.policy import Floors, Policy
from nsl_protocol.cluster.manifest import Manifest, Program, read_genesis, read_update

#: how the two lie in a folder; the second only after the first change
GENESIS_FILE, PRESENT_FILE = "genesis.json", "manifest.json"


@dataclass(frozen=True, slots=True)
class Constitution:
    """``cluster`` (32 bytes) is the digest of the genesis, ``digest`` that of the manifest that holds."""

    cluster: bytes
    genesis: Manifest
    present: Manifest
    digest: bytes

    @classmethod
    def of(cls, genesis: bytes, update: bytes | None) -> "Constitution":
        """From the files' contents. Raises CodecError: unreadable, or not signed by enough custodians."""
        cluster, first = read_genesis(genesis)
        made = cls(cluster, first, first, cluster)
        return made if update is None else made.updated(update)

    def updated(self, document: bytes) -> "Constitution":
        """Under a later manifest. Raises CodecError: it is none that may follow."""
        digest, present = read_update(document, self.cluster, self.genesis, self.present)
        return Constitution(self.cluster, self.genesis, present, digest)

    def policy(self, program: Program, floors: Floors) -> Policy:
        """Who passes for that program."""
        return self.present.policy(program, floors)
