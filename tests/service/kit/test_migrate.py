"""Migrations on a real PostgreSQL: each runs once, none is edited, and one that cannot go on says what to do."""

from pathlib import Path

import psycopg
import pytest

from nsl.cli.up.postgres import OWNER
from nsl.kit import migrate
from tests.support.drivers import postgres


async def test_each_runs_once_and_an_edited_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with postgres(tmp_path) as server:
        url, files = server.url(OWNER), migrate.migrations("pre")
        assert await migrate.apply(url) == list(files)
        assert await migrate.apply(url) == []
        edited = dict(files) | {"0001_edited.sql": "SELECT 1", next(iter(files)): "SELECT 2"}
        monkeypatch.setattr(migrate, "migrations", lambda _: edited)
        with pytest.raises(migrate.MigrationChanged, match="Write a new file instead"):
            await migrate.apply(url)


async def test_keys_of_a_version_without_a_register_are_not_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with postgres(tmp_path) as server:
        url, files = server.url(OWNER), migrate.migrations("pre")
        before = {name: text for name, text in files.items() if name < "0008"}
        monkeypatch.setattr(migrate, "migrations", lambda _: before)
        await migrate.apply(url)
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute("INSERT INTO token_keys (kid, public_key, wrapped) VALUES ('k', '\\x00', '\\x020000000100')")
        monkeypatch.setattr(migrate, "migrations", lambda _: files)
        for _ in range(2):
            with pytest.raises(migrate.MigrationRefused, match=r"0008_key_register\.sql: .*nsl up --fresh"):
                await migrate.apply(url)
