"""What a Linux process can give up: each layer where the kernel offers it, each reported by name.

The system call numbers and structures are those of the kernel's ``landlock(7)``, ``seccomp(2)`` and ``prctl(2)``. The
libraries on the package index are unmaintained or need a C library; this is all that is needed of them.
"""

import ctypes
import errno
import os
import platform
import resource

_NO_NEW_PRIVS, _DUMPABLE, _SECCOMP = 38, 4, 22
_SECCOMP_FILTER = 2
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446
_LANDLOCK_VERSION = 1
# Everything that landlock can refuse about files, by the first ABI version that knows the bit.
_FILE_RIGHTS = ((1, 0x1FFF), (2, 1 << 13), (3, 1 << 14), (5, 1 << 15))
_NET_ABI, _NET_RIGHTS = 4, 0b11

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_X32_FIRST = 0x40000000
# After start-up the program reads, writes and accepts on what it has; these it never needs again.
_REFUSED = {
    "x86_64": (
        0xC000003E,
        (2, 41, 42, 49, 50, 53, 56, 57, 58, 59, 82, 85, 87, 101, 165, 257, 263, 310, 311, 319, 321, 322, 323, 425, 437),
    ),
    "aarch64": (
        0xC00000B7,
        (35, 40, 56, 117, 198, 199, 200, 201, 203, 220, 221, 270, 271, 279, 280, 281, 282, 425, 437),
    ),
}
_CLONE3 = 435

_libc = ctypes.CDLL(None, use_errno=True)


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64))


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def isolate() -> tuple[str, ...]:
    """Give up privileges, core dumps, the file system, new sockets and new processes; the layers that took hold."""
    layers = {
        "no_new_privs": _prctl(_NO_NEW_PRIVS, 1),
        "no_core_dump": _no_core_dump(),
        "landlock": _landlock(),
        "seccomp": _seccomp(),
    }
    return tuple(name for name, active in layers.items() if active)


def _prctl(option: int, value: int) -> bool:
    return bool(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) == 0)


def _no_core_dump() -> bool:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return _prctl(_DUMPABLE, 0)


def _landlock() -> bool:
    """A ruleset without a rule: no path can be opened and no TCP port bound or connected to."""
    abi = _libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), _LANDLOCK_VERSION)
    if abi < 1:
        return False
    files = sum(bits for version, bits in _FILE_RIGHTS if version <= abi)
    attributes = _RulesetAttributes(files, _NET_RIGHTS if abi >= _NET_ABI else 0)
    size = ctypes.sizeof(attributes) if abi >= _NET_ABI else ctypes.sizeof(ctypes.c_uint64)
    ruleset = _libc.syscall(_LANDLOCK_CREATE, ctypes.byref(attributes), ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return False
    active = bool(_libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) == 0)
    os.close(ruleset)
    return active


def _seccomp() -> bool:
    known = _REFUSED.get(platform.machine())
    if known is None:
        return False
    architecture, refused = known
    instructions = [
        _Instruction(_LOAD, 0, 0, 4),  # seccomp_data.arch
        _Instruction(_JUMP_EQUAL, 1, 0, architecture),
        _Instruction(_RETURN, 0, 0, _KILL),
        _Instruction(_LOAD, 0, 0, 0),  # seccomp_data.nr
        _Instruction(_JUMP_AT_LEAST, 0, 1, _X32_FIRST),
        _Instruction(_RETURN, 0, 0, _KILL),
    ]
    for number, error in (*((number, errno.EPERM) for number in refused), (_CLONE3, errno.ENOSYS)):
        instructions += [
            _Instruction(_JUMP_EQUAL, 0, 1, number),
            _Instruction(_RETURN, 0, 0, _ERRNO | error),
        ]
    instructions.append(_Instruction(_RETURN, 0, 0, _ALLOW))
    array = (_Instruction * len(instructions))(*instructions)
    program = _Program(len(instructions), array)
    return bool(_libc.prctl(_SECCOMP, ctypes.c_ulong(_SECCOMP_FILTER), ctypes.byref(program), 0, 0) == 0)
