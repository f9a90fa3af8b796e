"""``make golden``: write every golden file anew. Read the difference before committing it."""

import importlib
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    for path in sorted(HERE.rglob("golden_*.py")):
        name = ".".join(("tests", *path.relative_to(HERE).with_suffix("").parts))
        importlib.import_module(name).regenerate()
        print(f"written: {name}")


if __name__ == "__main__":
    main()
