"""Which enclaves this process trusts: those of the cluster's manifest, under the roots of this deployment."""

from collections.abc import Sequence
from pathlib import Path

from nsl.adapters.enclave.errors import EnclaveUntrusted
from nsl.attestation.ports import CollateralSource
from nsl.kit.clock import now
from nsl_protocol.attestation.binding import Purpose, report_data
from nsl_protocol.attestation.policy import Floors, Verdict, judge
from nsl_protocol.attestation.verify import Collateral, TrustAnchor
from nsl_protocol.cluster.constitution import GENESIS_FILE, PRESENT_FILE, Constitution
from nsl_protocol.cluster.manifest import Program
from nsl_protocol.enclave.membership import Quoted
from nsl_protocol.errors import CodecError


def read_constitution(directory: Path) -> Constitution:
    """The manifests as they lie in a folder now: ``genesis.json`` and, if there is one, ``manifest.json``.

    Raises:
        EnclaveUntrusted: missing, unreadable, or not signed by enough custodians.
    """
    try:
        update = directory / PRESENT_FILE
        return Constitution.of(
            (directory / GENESIS_FILE).read_bytes(), update.read_bytes() if update.exists() else None
        )
    except OSError as error:
        raise EnclaveUntrusted(f"{directory} holds no manifest ({error.strerror}): set NSL_MANIFEST_DIR.") from error
    except CodecError as error:
        raise EnclaveUntrusted(f"The manifest in {directory} {error.reason}.") from error


class Trust:
    """
    Args:
        manifests: the folder of the signed manifests; read anew whenever an enclave has to prove itself.
        anchors: the roots that quotes may chain to.
        source: where collateral comes from that an enclave does not bring; None where there is no PCCS.
    """

    def __init__(self, manifests: Path, anchors: Sequence[TrustAnchor], source: CollateralSource | None) -> None:
        self._manifests = manifests
        self._anchors = tuple(anchors)
        self._source = source

    def constitution(self) -> Constitution:
        """Raises EnclaveUntrusted."""
        return read_constitution(self._manifests)

    async def collateral(self, quote: bytes, brought: bytes | None) -> Collateral:
        """What is said of the platform of that quote.

        Raises:
            CollateralUnavailable: the PCCS does not answer.
            EnclaveUntrusted: there is none to ask, or what was brought cannot be read.
        """
        if brought is None:
            if self._source is None:
                raise EnclaveUntrusted("The enclave brings no collateral: set NSL_PCCS_URL.")
            return await self._source.collateral(quote)
        try:
            return Collateral(brought)
        except CodecError as error:
            raise EnclaveUntrusted(f"The enclave's collateral cannot be read: {error.reason}.") from error

    async def verdict(
        self, program: Program, purpose: Purpose, nonce: bytes, keys: Sequence[bytes], quoted: Quoted
    ) -> Verdict:
        """What the policy says of an answer to our nonce, over the keys that we expect."""
        constitution = self.constitution()
        collateral = await self.collateral(quoted.quote, quoted.collateral)
        expected = report_data(purpose, constitution.cluster, nonce, *keys)
        policy = constitution.policy(program, Floors())
        return judge(quoted.quote, collateral, int(now().timestamp()), self._anchors, policy, expected)

    async def insist(
        self, program: Program, purpose: Purpose, nonce: bytes, keys: Sequence[bytes], quoted: Quoted
    ) -> Verdict:
        """The verdict, which is favourable. Raises EnclaveUntrusted with every reason."""
        verdict = await self.verdict(program, purpose, nonce, keys, quoted)
        if not verdict.accepted:
            reasons = " ".join(f"{each.code}: {each.detail}" for each in verdict.reasons)
            raise EnclaveUntrusted(f"What answers is not an enclave that the manifest lists. {reasons}")
        return verdict
