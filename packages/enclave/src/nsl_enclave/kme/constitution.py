"""The manifests that the host brings: the genesis, which makes the cluster, and the one that holds now."""

from dataclasses import dataclass
from pathlib import Path

from nsl_enclave.kernel.errors import ManifestError
from nsl_protocol.attestation.policy import Floors, Policy
from nsl_protocol.cluster.manifest import Manifest, Program, read_genesis, read_update
from nsl_protocol.errors import CodecError

GENESIS_FILE, PRESENT_FILE = "genesis.json", "manifest.json"


@dataclass(frozen=True, slots=True)
class Constitution:
    """``digest`` is of the manifest that holds, ``cluster`` of the genesis."""

    cluster: bytes
    genesis: Manifest
    present: Manifest
    digest: bytes

    @classmethod
    def read(cls, directory: Path) -> "Constitution":
        """From ``genesis.json`` and, once there was an update, ``manifest.json``.

        Raises:
            ManifestError: missing, unreadable, or not signed by enough custodians.
        """
        try:
            cluster, genesis = read_genesis((directory / GENESIS_FILE).read_bytes())
            first = cls(cluster, genesis, genesis, cluster)
            update = directory / PRESENT_FILE
            return first.updated(update.read_bytes()) if update.exists() else first
        except OSError as error:
            raise ManifestError(
                f"{directory} holds no manifest ({error.strerror}): `nsl enclave manifest sign` makes {GENESIS_FILE}."
            ) from error
        except CodecError as error:
            raise ManifestError(f"The manifest in {directory} {error.reason}.") from error

    def updated(self, document: bytes) -> "Constitution":
        """Under a later manifest. Raises CodecError: it is none that may follow."""
        digest, present = read_update(document, self.cluster, self.genesis, self.present)
        return Constitution(self.cluster, self.genesis, present, digest)

    def policy(self, program: Program, floors: Floors) -> Policy:
        """Who passes for that program."""
        return self.present.policy(program, floors)
