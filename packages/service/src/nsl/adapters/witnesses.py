"""Witnesses of the audit log, asked over HTTP (c2sp.org/tlog-witness)."""

from http import HTTPStatus
from typing import Self

import httpx

from nsl.audit.errors import WitnessDown, WitnessRefused
from nsl_protocol.audit.heads import Line, SignedHead, Witness, parse_line
from nsl_protocol.audit.witness import AddCheckpoint
from nsl_protocol.errors import CodecError

TIMEOUT_SECONDS = 5.0


class HttpWitness:
    """One witness, by its key (``name+hash+key``) and address. Use as an async context manager."""

    def __init__(self, witness: Witness, url: str) -> None:
        self.name = witness.name
        self._witness = witness
        self._http = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.aclose()

    async def cosign(self, old: int, proof: tuple[bytes, ...], signed: SignedHead) -> Line | int:
        """Its line; or the size that it knows the log at, where that is not ``old``.

        Raises:
            WitnessDown: it does not answer.
            WitnessRefused: it does not put its name to this head, and says why.
        """
        try:
            answer = await self._http.post("/add-checkpoint", content=AddCheckpoint(old, proof, signed).body)
        except httpx.HTTPError as error:
            raise WitnessDown(f"The witness {self.name} does not answer.") from error
        if answer.status_code == HTTPStatus.CONFLICT and answer.text.strip().isdigit():
            return int(answer.text)
        if answer.status_code != HTTPStatus.OK:
            raise WitnessRefused(f"The witness {self.name} refuses ({answer.status_code}): {answer.text.strip()[:300]}")
        try:
            line = parse_line(answer.text.rstrip("\n"))
            if self._witness.cosigned_at(SignedHead(signed.head, (line,))) is None:
                raise WitnessRefused(f"The witness {self.name} answers in another's name.")
        except CodecError as error:
            raise WitnessRefused(f"The witness {self.name} gives no cosignature: {error}.") from error
        return line
