"""Become another program, on conditions: dies with its parent, under another user, gains no privileges.

Run as a plain script by the supervisor (`python -I -S launch.py`), so that it loads nothing but the standard library;
it replaces itself with the program, which keeps the process id. A hook between fork and exec would do the same, but
Python runs such hooks in a copy of a process with threads, where a lock may be held for ever.
"""

import argparse
import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) refused")


def _become(user: str) -> None:
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ |= {"HOME": entry.pw_dir, "USER": user, "LOGNAME": user}


def main() -> None:
    """Prepare this process and replace it; ends with status 127 when the program cannot be run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--death-signal", type=int, required=True)
    parser.add_argument("--user")
    parser.add_argument("--no-new-privs", action="store_true")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    command = options.command[1:]  # after the "--"
    if options.user:
        _become(options.user)
    if options.no_new_privs:
        _prctl(PR_SET_NO_NEW_PRIVS, 1)
    # After the change of user, which clears it. The parent may have died before: then nobody would tell us.
    _prctl(PR_SET_PDEATHSIG, options.death_signal)
    if os.getppid() != options.parent:
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        os.execvpe(command[0], command, os.environ)  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        sys.exit(127)


if __name__ == "__main__":
    main()
