"""Verifies quotes that callers bring."""

from collections.abc import Sequence

from nsl.attestation.errors import CollateralMissing
from nsl.attestation.model import Question
from nsl.attestation.ports import CollateralSource
from nsl.kit.clock import now
from nsl_protocol.attestation.policy import Verdict, judge, read_quote
from nsl_protocol.attestation.verify import TrustAnchor


class Attestation:
    """
    Args:
        anchors: the roots that this layer trusts: Intel's; in SIM also that of the simulation.
        source: where collateral comes from that a caller does not send; None where there is no PCCS.
    """

    def __init__(self, anchors: Sequence[TrustAnchor], source: CollateralSource | None) -> None:
        self._anchors = tuple(anchors)
        self._source = source

    async def verify(self, question: Question) -> Verdict:
        """Both stages, by the roots of this layer.

        Raises:
            CollateralMissing: there is none, and no PCCS to ask.
            CollateralUnavailable: the PCCS does not answer.
        """
        collateral = question.collateral
        if collateral is None:
            quote = read_quote(question.quote)
            if isinstance(quote, Verdict):
                return quote
            if self._source is None:
                raise CollateralMissing(
                    "Send the collateral: this layer has no PCCS to ask (NSL_PCCS_URL).", field="collateral"
                )
            collateral = await self._source.collateral(question.quote)
        moment = max(0, int((question.at or now()).timestamp()))
        return judge(question.quote, collateral, moment, self._anchors, question.policy, question.report_data)
