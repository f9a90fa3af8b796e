"""Witnesses of the audit log, asked over HTTP (c2sp.org/tlog-witness)."""

import re
from http import HTTPStatus
from typing import Final, Self

import httpx

from nsl.audit.errors import WitnessDown, WitnessRefused
from nsl_protocol.audit.heads import Line, SignedHead, Witness, parse_line
from nsl_protocol.audit.witness import AddCheckpoint
from nsl_protocol.errors import CodecError

TIMEOUT_SECONDS: Final = 5.0
ANSWER_BYTES_MAX: Final = 8192
_SIZE: Final = re.compile(r"(0|[1-9][0-9]{0,15})\n?")


class HttpWitness:
    """One witness, by its key (``name+hash+key``) and address. Use as an async context manager."""

    def __init__(self, witness: Witness, url: str) -> None:
        self.name = witness.name
        self._witness = witness
        self._http = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS, headers={"Accept-Encoding": "identity"})

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
        body = AddCheckpoint(old, proof, signed).body
        try:
            async with self._http.stream("POST", "/add-checkpoint", content=body) as answer:
                status, text = answer.status_code, await self._text(answer)
        except httpx.HTTPError as error:
            raise WitnessDown(f"The witness {self.name} does not answer.") from error
        known = _SIZE.fullmatch(text)
        if status == HTTPStatus.CONFLICT and known is not None:
            return int(known[1])
        if status != HTTPStatus.OK:
            raise WitnessRefused(f"The witness {self.name} refuses ({status}): {text.strip()[:300]}")
        try:
            line = parse_line(text.rstrip("\n"))
            if self._witness.cosigned_at(SignedHead(signed.head, (line,))) is None:
                raise WitnessRefused(f"The witness {self.name} answers in another's name.")
        except CodecError as error:
            raise WitnessRefused(f"The witness {self.name} gives no cosignature: {error}.") from error
        return line

    async def _text(self, answer: httpx.Response) -> str:
        """Of an answer that is as short as a witness' are: it is somebody else's, and must not hold up the log."""
        text = b""
        if "Content-Encoding" in answer.headers:
            raise WitnessRefused(f"The witness {self.name} answers in an encoding that it was not asked for.")
        async for part in answer.aiter_bytes():
            text += part
            if len(text) > ANSWER_BYTES_MAX:
                raise WitnessRefused(f"The witness {self.name} answers with more than {ANSWER_BYTES_MAX} bytes.")
        return text.decode(errors="replace")
