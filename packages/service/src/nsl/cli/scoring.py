"""``nsl policy score``: a scorer's part, on the scorer's own machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import DecodeError
from msgspec.json import decode

from nsl.cli.addresses import AddressIndex
from nsl.cli.connection import AsJson, Credentials, KeyId, connect, key_of
from nsl.cli.output import explained, fail, show_record
from nsl.cli.payloads import KindOption, payload_of
from nsl.cli.policy_changes import KeyFile, TenantId, secret_in, signing

if TYPE_CHECKING:
    from nsl_client.scoring import SignedScore


def score(
    key_id: KeyId,
    payload: Annotated[str, typer.Argument(help="What is to be signed, as for `nsl keys sign`.")],
    score: Annotated[int, typer.Option(min=0, max=100, help="How risky it is: 0 (harmless) to 100.")],
    name: Annotated[str, typer.Option(help="Yours, as the policy has it.")],
    key: KeyFile,
    kind: Annotated[KindOption, typer.Option(help="What the payload is.")] = KindOption.MESSAGE,
    network: Annotated[int | None, typer.Option(help="A transaction's N3 magic number or EVM chain id.")] = None,
    address_index: AddressIndex = None,
    *,
    tenant: TenantId = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Sign how risky you hold something, for a key whose policy has a ceiling.

    Then: `nsl keys sign … --risk-score FILE`.

    Example: nsl policy score KEY_ID "pay" --score 12 --name model --key model.key --json > score.json
    """
    from nsl.cli.portable import tenant_of
    from nsl_client.scoring import Scorer

    with explained(), connect(credentials) as client:
        key_id = key_of(client, key_id)
        cluster = client.keys.policy(key_id).cluster
        with signing():
            scorer = Scorer(name, secret_in(key), cluster, tenant or tenant_of(credentials))
            what = payload_of(kind, payload)
            made = scorer.score(key_id, kind.value, what, score, network=network, address_index=address_index)
        show_record(made, as_json=as_json)


def score_in(file: Path) -> "SignedScore":
    """What ``nsl policy score --json`` printed there."""
    from nsl_client.scoring import SignedScore

    try:
        return decode(file.read_bytes(), type=SignedScore)
    except (OSError, DecodeError) as error:
        fail(f"{file} holds no score: {error}. `nsl policy score --json` prints one.")
