"""A provisioning certification caching service: the four answers of Intel's API, version 4, over real HTTP."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

from aiohttp import web

PREFIX = "/sgx/certification/v4/"


@dataclass
class PccsServer:
    """``collateral``: the strings of QuoteCollateralV3 that it serves; None: it knows no platform."""

    collateral: dict[str, str] | None
    url: str = ""
    asked: list[str] = field(default_factory=list)


@asynccontextmanager
async def pccs(document: str | None) -> AsyncIterator[PccsServer]:
    """Serve this collateral."""
    server = PccsServer(None if document is None else json.loads(document))

    async def answer(request: web.Request) -> web.Response:
        server.asked.append(request.path_qs.removeprefix(PREFIX))
        found = server.collateral
        if found is None:
            return web.Response(status=404)
        match request.path.removeprefix(PREFIX):
            case "pckcrl":
                chain = {"SGX-PCK-CRL-Issuer-Chain": quote(found["pck_crl_issuer_chain"])}
                return web.Response(body=bytes.fromhex(found["pck_crl"]), headers=chain)
            case "tcb":
                chain = {"TCB-Info-Issuer-Chain": quote(found["tcb_info_issuer_chain"])}
                text = _signed("tcbInfo", found["tcb_info"], found["tcb_info_signature"])
                return web.Response(text=text, headers=chain)
            case "qe/identity":
                chain = {"SGX-Enclave-Identity-Issuer-Chain": quote(found["qe_identity_issuer_chain"])}
                text = _signed("enclaveIdentity", found["qe_identity"], found["qe_identity_signature"])
                return web.Response(text=text, headers=chain)
            case "rootcacrl":
                return web.Response(text=found["root_ca_crl"])
        return web.Response(status=404)

    application = web.Application()
    application.router.add_get("/{anything:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()


def _signed(name: str, document: str, signature: str) -> str:
    return f'{{"{name}":{document},"signature":"{signature}"}}'
