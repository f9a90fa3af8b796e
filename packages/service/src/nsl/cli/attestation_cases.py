"""A manifest of quotes with expected outcomes, as ``nsl attestation check-cases`` runs it.

Each case names a quote, its collateral, a time (Unix seconds) and a root (``intel`` or a file); ``mutate`` is applied
to the quote's bytes first, ``mutate_collateral`` to one of the collateral's strings. Paths begin at the manifest.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from nsl_protocol.attestation.reasons import Reason
from nsl_protocol.attestation.verify import INTEL, Collateral, TrustAnchor, verify_quote
from nsl_protocol.errors import CodecError

_INTEL = "intel"


class _Mutation(Struct, forbid_unknown_fields=True):
    """One of: ``xor`` of the byte at ``offset``; ``truncate`` by so many bytes; ``append`` hex."""

    offset: int | None = None
    xor: Annotated[int, Meta(ge=0, le=255)] | None = None
    truncate: Annotated[int, Meta(ge=0)] | None = None
    append: str | None = None

    def of(self, quote: bytes) -> bytes:
        changed = bytearray(quote)
        if self.offset is not None and self.xor is not None:
            changed[self.offset] ^= self.xor
        if self.truncate is not None:
            del changed[len(changed) - self.truncate :]
        if self.append is not None:
            changed += bytes.fromhex(self.append)
        return bytes(changed)


class _Replacement(Struct, forbid_unknown_fields=True, rename={"old": "from", "new": "to"}):
    op: Annotated[str, Meta(pattern="^replace$")]
    field: str
    old: str
    new: str

    def of(self, document: bytes) -> bytes:
        fields = json.loads(document)
        fields[self.field] = fields[self.field].replace(self.old, self.new)
        return json.dumps(fields).encode()


class _Case(Struct):
    id: str
    quote: str
    collateral: str
    at: Annotated[int, Meta(ge=0, le=2**40)]
    expect: str
    root: str = _INTEL
    tcb_status: str | None = None
    advisory_ids: tuple[str, ...] | None = None
    mutate: _Mutation | None = None
    mutate_collateral: _Replacement | None = None


class _File(Struct):
    file: str
    sha256: str


class _Manifest(Struct):
    cases: tuple[_Case, ...]
    derived_cases: tuple[_Case, ...] = ()
    quotes: tuple[_File, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """``expected`` and ``got``: ``reject``, ``accept`` with status and advisories, or why it cannot be run."""

    case: str
    expected: str
    got: str


def run_cases(path: Path) -> Iterator[Outcome]:
    """Each case's outcome, in the manifest's order.

    Raises:
        ValueError: the manifest cannot be read, or a quote's file is not the one that it lists.
    """
    folder = path.parent
    manifest = msgspec.json.decode(path.read_bytes(), type=_Manifest)
    for entry in manifest.quotes:
        if hashlib.sha256((folder / entry.file).read_bytes()).hexdigest() != entry.sha256:
            raise ValueError(f"{entry.file} is not the file that the manifest lists: its SHA-256 differs.")
    for case in (*manifest.cases, *manifest.derived_cases):
        yield Outcome(case.id, _expected(case), _run(folder, case))


def _expected(case: _Case) -> str:
    stated = (case.tcb_status, None if case.advisory_ids is None else sorted(case.advisory_ids))
    return case.expect if case.expect != "accept" else _accepted(*stated)


def _run(folder: Path, case: _Case) -> str:
    try:
        quote = (folder / case.quote).read_bytes()
        document = (folder / case.collateral).read_bytes()
        anchor = INTEL if case.root == _INTEL else TrustAnchor((folder / case.root).read_bytes())
        quote = quote if case.mutate is None else case.mutate.of(quote)
        document = document if case.mutate_collateral is None else case.mutate_collateral.of(document)
    except (OSError, LookupError, ValueError) as error:
        return f"cannot be run: {error}"
    try:
        claims = verify_quote(quote, Collateral(document), case.at, (anchor,))
    except CodecError:
        return "reject"
    if isinstance(claims, Reason):
        return "reject"
    status = None if case.tcb_status is None else claims.status
    return _accepted(status, None if case.advisory_ids is None else sorted(claims.advisories))


def _accepted(status: str | None, advisories: list[str] | None) -> str:
    parts = ["accept"] + ([] if status is None else [status])
    return " ".join(parts + ([] if advisories is None else [f"[{', '.join(advisories)}]"]))
