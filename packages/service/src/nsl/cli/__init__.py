"""The ``nsl`` command. Each command imports what it needs when it runs, so that ``nsl --help`` is quick."""


def main() -> None:
    """The console script."""
    from nsl.cli.app import app

    app()
