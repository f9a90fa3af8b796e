"""Nothing of the machine it was made on, and no registry's host, stands in the project."""

import re

from tests.house.tree import ROOT, tracked

HOSTS = re.compile(r"(pypi|pythonhosted|npmjs)\.(org|com)|crates\.io|proxy\.golang|repo1?\.maven")
MACHINE = re.compile(r"/(root|work|home/\w+)/")


def test_no_registry_host_and_no_path_of_a_machine() -> None:
    own = "tests/house/test_tree.py"
    found = []
    for path in tracked("*"):
        place = path.relative_to(ROOT).as_posix()
        if place == own:
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{place}:{number}"
            for number, line in enumerate(text.splitlines(), start=1)
            if HOSTS.search(line) or MACHINE.search(line)
        ]
    assert not found
