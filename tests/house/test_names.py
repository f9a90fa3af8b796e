"""Every slice has the same file names, and no module is a drawer for everything."""

from tests.house.tree import SERVICE, SLICES, everything

SLICE_FILES = {"__init__", "api", "errors", "jobs", "model", "ports", "service", "store"}
SLICE_OTHERS = {"queries.sql"}
CATCH_ALL = {"utils", "util", "helpers", "helper", "common", "misc", "shared", "tools", "base", "manager", "stuff"}


def test_every_slice_has_the_same_file_names_and_no_others() -> None:
    for slice_name in SLICES:
        for path in (SERVICE / slice_name).iterdir():
            if path.name == "__pycache__":
                continue
            name = path.name if path.suffix == ".sql" else path.stem
            assert name in SLICE_FILES | SLICE_OTHERS, f"{slice_name}/{path.name}: not one of a slice's files"


def test_every_slice_has_a_model_and_errors() -> None:
    for slice_name in SLICES:
        for needed in ("errors", "model", "service"):
            place = SERVICE / slice_name / needed
            assert place.with_suffix(".py").exists() or place.is_dir(), f"{slice_name} has no {needed}"


def test_no_module_is_a_catch_all() -> None:
    found = [module.place for module in everything() if CATCH_ALL & {module.path.stem, module.path.parent.name}]
    assert not found
