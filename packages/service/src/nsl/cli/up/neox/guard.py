"""The guard's handler: judges each call, lets the rest pass in one piece, and puts batches together again."""

from collections.abc import Sequence
from typing import Any

import msgspec

from nsl.cli.up.neox.rpc import Upstream
from nsl.cli.up.neox.rules import Answer, Refusal, as_geth, judge

BATCH_MAX = 1000
_PARSE_ERROR = Refusal(-32700, "parse error")
_TOO_MANY = Refusal(-32600, "batch too large")


class Call(msgspec.Struct):
    """A JSON-RPC request; ``id`` is sent back untouched."""

    method: str
    id: msgspec.Raw = msgspec.Raw(b"null")
    params: Any = None


_decoder = msgspec.json.Decoder(Call | list[Call])


async def handle(upstream: Upstream, body: bytes) -> bytes:
    """The answer to one HTTP body: a call or a batch. Raises OSError when the node is gone."""
    try:
        calls = _decoder.decode(body)
    except msgspec.DecodeError:
        return _line(Call("", msgspec.Raw(b"null")), _PARSE_ERROR)
    if isinstance(calls, Call):
        verdict = judge(calls.method, calls.params)
        if verdict is not None:
            return _line(calls, verdict)
        return _speak_geth([calls], await upstream.post(body))
    if len(calls) > BATCH_MAX:
        return _line(Call(""), _TOO_MANY)
    verdicts = [judge(call.method, call.params) for call in calls]
    if not any(verdicts):
        return _speak_geth(calls, await upstream.post(body))
    return await _split(upstream, body, calls, verdicts)


async def _split(
    upstream: Upstream, body: bytes, calls: Sequence[Call], verdicts: Sequence[Answer | Refusal | None]
) -> bytes:
    """Part of the batch is answered here and part by the node; the answers stand in the order of the calls."""
    whole = msgspec.json.decode(body, type=list[msgspec.Raw])
    passing = [part for part, verdict in zip(whole, verdicts, strict=True) if verdict is None]
    answers: list[msgspec.Raw] = []
    if passing:
        asked = [call for call, verdict in zip(calls, verdicts, strict=True) if verdict is None]
        answer = _speak_geth(asked, await upstream.post(msgspec.json.encode(passing)))
        answers = msgspec.json.decode(answer, type=list[msgspec.Raw])
    from_node = iter(answers)
    lines = [
        next(from_node) if verdict is None else msgspec.Raw(_line(call, verdict))
        for call, verdict in zip(calls, verdicts, strict=True)
    ]
    return msgspec.json.encode(lines)


def _speak_geth(calls: Sequence[Call], answer: bytes) -> bytes:
    """Reword the errors of sent transactions; anything else goes through byte for byte."""
    if b'"error"' not in answer or not any(call.method == "eth_sendRawTransaction" for call in calls):
        return answer
    document = msgspec.json.decode(answer)
    for entry in document if isinstance(document, list) else [document]:
        if isinstance(entry.get("error"), dict):
            entry["error"] = as_geth(entry["error"])
    return msgspec.json.encode(document)


def _line(call: Call, verdict: Answer | Refusal) -> bytes:
    line: dict[str, Any] = {"jsonrpc": "2.0", "id": call.id}
    if isinstance(verdict, Answer):
        line["result"] = verdict.result
    else:
        line["error"] = {"code": verdict.code, "message": verdict.message}
    return msgspec.json.encode(line)
