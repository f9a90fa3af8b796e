"""Published vectors. Each names the file of the public repository it was copied from."""

from typing import NamedTuple


class KeyCase(NamedTuple):
    """One private key in every form."""

    address: str
    private_key: str
    public_key: str
    wif: str
    passphrase: str
    nep2: str


# nspcc-dev/neo-go internal/keytestcases/testcases.go
KEYS = (
    KeyCase(
        "NPTmAHDxo6Pkyic8Nvu3kwyXoYJCvcCB6i",
        "7d128a6d096f0c14c3a25a2b0c41cf79661bfcb4a8cc95aaaea28bde4d732344",
        "02028a99826edc0c97d18e22b6932373d908d323aa7f92656a77ec26e8861699ef",
        "L1QqQJnpBwbsPGAuutuzPTac8piqvbR1HRjrY5qHup48TBCBFe4g",
        "city of zion",
        "6PYUUUFei9PBBfVkSn8q7hFCnewWFRBKPxcn6Kz6Bmk3FqWyLyuTQE2XFH",
    ),
    KeyCase(
        "NMBfzaEq2c5zodiNbLPoohVENARMbJim1r",
        "9ab7e154840daca3a2efadaf0df93cd3a5b51768c632f5433f86909d9b994a69",
        "031d8e1630ce640966967bc6d95223d21f44304133003140c3b52004dc981349c9",
        "L2QTooFoDFyRFTxmtiVHt5CfsXfVnexdbENGDkkrrgTTryiLsPMG",
        "我的密码",
        "6PYUmBuLbdXdnybyNeafUJUrVhoBRZpjHACdY9K2VCNzD5tuX5tXgr9fur",
    ),
    KeyCase(
        "NfVdwyaJbijrWkRagrvs4eSRQUpP7WpukT",
        "3edee7036b8fd9cef91de47386b191dd76db2888a553e7736bb02808932a915b",
        "02232ce8d2e2063dce0451131851d47421bfc4fc1da4db116fca5302c0756462fa",
        "KyKvWLZsNwBJx5j9nurHYRwhYfdQUu9tTEDsLCUHDbYBL8cHxMiG",
        "MyL33tP@33w0rd",
        "6PYLQ9oCoEWCfuuHkq6xH4tYbi4Pyv9HYUU8WGkFVXtoczwTbitMjypkma",
    ),
)

# The same file: the case marked invalid (a private key of 31 bytes, a WIF with a wrong checksum).
INVALID_WIF = "KyKvWLZsNwBJx5j9nurHYRwhYfdQUu9tTEDsLCUHDbYBL8cHxMiS"
INVALID_NEP2 = "6PYRbKt55d4NXxCESqk8n9kURqopvixEY5nhAYe2ZJ4c1oDWAjtFX8hd1M"

# CityOfZion/neon-js packages/neon-core/__tests__/testWallet.json: accounts "ABC multisig" (2 of the 3 keys above) and
# "origin multisig" (1 of 1). In the first, order by X differs from order by compressed bytes.
MULTISIG_ABC = (
    "NfScrtKDZFefNjVotBfrhEQR6GWhe8SXkH",
    (
        "EgwhAgKKmYJu3AyX0Y4itpMjc9kI0yOqf5JlanfsJuiGFpnvDCEDHY4WMM5kCWaWe8bZUiPSH0QwQTMAMUDDtSAE3JgTSckMIQIjLOjS4gY9"
        "zgRRExhR1HQhv8T8HaTbEW/KUwLAdWRi+hNBntDcOg=="
    ),
)
MULTISIG_ONE = (
    "028ea3a86df5a7852587b776adc90e3ee53c26b011a61f568e61466d40c691a931",
    "NR4SHeS9kfgN5EXVcAuFwfu6Y56xaSPxg9",
    "EQwhAo6jqG31p4Ulh7d2rckOPuU8JrARph9WjmFGbUDGkakxEUGe0Nw6",
)

# nspcc-dev/neo-go pkg/core/transaction/helper_test.go, from a C# private network: 3-of-4 multi-signature transfer.
CSHARP_HASH = "0x25426643feed564cd3e57f346d6c68692f5622b3063da11c5572d99ee1a5b49a"
CSHARP_BASE64 = (
    "ANgkvBnA2KcAAAAAACCqRAAAAAAA6AMAAAHe7nnBifMAmLC6ai65CzqSWKbH/wEAXwsDAEDZ3YhNCgAMFIDOx7b1tW9QV49zfxYtOrFNRmUNDBTe"
    "7nnBifMAmLC6ai65CzqSWKbH/xTAHwwIdHJhbnNmZXIMFM924ovQBixKR47jVWEBExnzz6TSQWJ9W1I5AcYMQNafQPvPYQuqk3yCFwz8+18XCjnr"
    "8F8Rqx8e5IoQIkxjG9TjuvZm1KKGDn2UbFJnMey/FPLqezK8nbbJw2Eg10kMQKXrVyD3fs38e6Mqwsy7bAkxLsLnhvMnerbYLOqWW/DdinzT1RKA"
    "oOz5b7dAPusj5IWzQ6EifSCigJRTp//XdaMMQOv1d15PkIZM7wIvQmKDNxNy5yzQYFyoezx9Og7rM+64J9LtaHp3LFIKKNPgDhL7sFR1bd2w7vzb"
    "yR7V+Pyg3GaTEwwhAhA6f33QFlWFl/eWDSfFFqQ5T9loueZRVetLAT5AQEBuDCECp7xV/oaE4BGXaNEEujB5W9zIZhnoZK3SYVZyPtGFzWIMIQKz"
    "Yiv0AXvf4xfFiu1fTHU/IGt9uJYEb6fXdLvEv3+NwgwhA9kMB99j5pDOd5EuEKtRrMlEtmhgI3tgjE+PgwnnHuaZFEF7zmyl"
)

# neow3j/neow3j core/src/test/java/io/neow3j/transaction/TransactionTest.java (getTxId, toArrayWithoutWitness, an
# account of Neo 2's address version as in that file)
NEOW3J_UNSIGNED = (
    "00a2f17c0d7673890000000000e6fc120000000000661820000175715e89bbba44a25dc9ca8d4951f104c25c253d010055110c146cd3d4f4f7"
    "e35c5ee7d0e725c11dc880cef1e8b10c14c6a1c24a5b87fb8ccd7ac5f7948ffe526d4e01f713c00c087472616e736665720c1425059ecb4878"
    "d3a875f91c51ceded330d4575fde41627d5b5238"
)
NEOW3J_TWO_SIGNERS = (
    "00" "04030201" "00e1f50500000000" "0100000000000000" "04030201" "02"
    "93ad1572a4b35c4b925483ce1701b78742dc460f80" "09a55874c2da4b86e5d49ff530a1b153eb12c7d601" "00" "0111"
)  # fmt: skip
NEOW3J_HIGH_PRIORITY = (
    "00" "62bdaa0e" "c272890000000000" "a65a130000000000" "99232000" "01" "941343239213fa0e765f1027ce742f48db779a9601"
    "0101" "0111" "01" "01000100"
)  # fmt: skip
NEOW3J_HASH_DATA_UNSIGNED = (
    "000000000000000000000000000000000000000000000000000193ad1572a4b35c4b925483ce1701b78742dc460f000003010203"
)

# neow3j/neow3j core/src/test/java/io/neow3j/transaction/SignerTest.java (serializeWithMultipleScopesContractsAndGroups,
# without the attribute byte that Signer still had there)
NEOW3J_SIGNER = (
    "23ba2703c53263e8d6e522dc32203339dcd8eee9" "31"
    "02" "47efccbc2c12df2935b39044b507eae270110288" "3ab0be8672e25cf475219d018ded961ec684ca88"
    "02" "0306d3e7f18e6dd477d34ce3cfeca172a877f3c907cc6c2b66c295d1fcc76ff8f7"
    "02958ab88e4cea7ae1848047daeb8883daf5fdf5c1301dbbfe973f0a29fe75de60"
)  # fmt: skip

# neow3j/neow3j core/src/test/java/io/neow3j/contract/ScriptBuilderTest.java: what pushes an integer
PUSHED_INTEGERS = (
    (0, "10"),
    (1, "11"),
    (16, "20"),
    (17, "0011"),
    (-800_000, "02" + bytes.fromhex("fff3cb00")[::-1].hex()),
    (-100_000_000_000, "03" + bytes.fromhex("ffffffe8b7891800")[::-1].hex()),
    (100_000_000_000, "03" + bytes.fromhex("000000174876e800")[::-1].hex()),
    (-(10**23), "04" + bytes.fromhex("ffffffffffffead2fd381eb509800000")[::-1].hex()),
    (10**23, "04" + bytes.fromhex("000000000000152d02c7e14af6800000")[::-1].hex()),
    (-(10**40), "05" + bytes.fromhex("ffffffffffffffffffffffffffffffe29cd60e3ca35b4054460a9f0000000000")[::-1].hex()),
    (10**40, "05" + bytes.fromhex("0000000000000000000000000000001d6329f1c35ca4bfabb9f5610000000000")[::-1].hex()),
)

# The same file (buildVerificationScriptFromMultiplePublicKeys): given in this order, they stand as 1st, 3rd, 2nd.
NEOW3J_MULTISIG_KEYS = (
    "035fdb1d1f06759547020891ae97c729327853aeb1256b6fe0473bc2e9fa42ff50",
    "03eda286d19f7ee0b472afd1163d803d620a961e1581a8f2704b52c0285f6e022d",
    "03ac81ec17f2f15fd6d193182f927c5971559c2a32b9408a06fec9e711fb7ca02e",
)
