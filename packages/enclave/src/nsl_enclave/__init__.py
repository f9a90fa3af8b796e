"""The trusted computing base: kernel, platform and enclave programs. It imports no web framework, SQL or asyncio."""

__version__ = "0.1.0"
