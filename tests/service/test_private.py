"""The folder of a service: nobody else looks into it, and nobody else's is taken for it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emofuse.errors import UsageError
from emofuse.service.app import open_store
from emofuse.service.private import claim_folder, private_file, private_folder
from service_harness import Client, recording

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there are no modes of files")
as_root = pytest.mark.skipif(os.name == "posix" and os.geteuid() != 0, reason="only root can become somebody else")
OWN = ("jobs.sqlite", "jobs")
NOBODY = 65534


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def open_place() -> Iterator[Path]:
    """Return a folder that everybody may look into, with all above it: pytest's own may only be seen by their owner."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def test_a_new_folder_is_its_owners_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        claim_folder(tmp_path / "service", OWN)
        private_folder(tmp_path / "inner")
        private_file(tmp_path / "file").close()
    finally:
        os.umask(before)
    assert mode(tmp_path / "service") == 0o700
    assert mode(tmp_path / "inner") == 0o700 and mode(tmp_path / "file") == 0o600


@pytest.mark.parametrize("held", [(), ("jobs.sqlite",), ("jobs.sqlite", "jobs")])
def test_an_open_folder_that_is_empty_or_a_services_is_closed(tmp_path: Path, held: tuple[str, ...]) -> None:
    folder = tmp_path / "service"
    folder.mkdir()
    folder.chmod(0o755)
    for name in held:
        (folder / name).touch()
    claim_folder(folder, OWN)
    assert mode(folder) == 0o700


def test_an_open_folder_with_other_things_in_it_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "thesis.txt").touch()
    with pytest.raises(UsageError, match=r"others may look into .*'thesis\.txt'") as caught:
        claim_folder(folder, OWN)
    assert str(folder / "service") in caught.value.hint and mode(folder) == 0o755
    folder.chmod(0o700)
    claim_folder(folder, OWN)  # nobody else sees it anyhow


def test_a_folder_that_everybody_may_exchange_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(UsageError, match="everybody may exchange"):
        claim_folder(tmp_path / "service", OWN)
    tmp_path.chmod(0o1777)
    claim_folder(tmp_path / "service", OWN)


def test_a_file_in_its_place_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "service").touch()
    with pytest.raises(UsageError, match="cannot make the folder"):
        open_store(tmp_path / "service")


@as_root
def test_what_belongs_to_somebody_else_is_refused(tmp_path: Path) -> None:
    folder = private_folder(tmp_path / "service")
    os.chown(folder, NOBODY, NOBODY)
    with pytest.raises(UsageError, match="belongs to another user"):
        claim_folder(folder, OWN)
    os.chown(folder, 0, 0)
    (folder / "jobs").symlink_to(tmp_path)
    os.lchown(folder / "jobs", NOBODY, NOBODY)  # laid there to have us delete what we own elsewhere
    with pytest.raises(UsageError, match=r"jobs belongs to another user"):
        claim_folder(folder, OWN)


_LOOK = """
import os, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
seen = []
for root, folders, files in os.walk(sys.argv[1]):
    for name in files:
        try:
            open(os.path.join(root, name), "rb").close()
            seen.append(name)
        except PermissionError:
            pass
print(" ".join(sorted(seen)))
"""


def seen_by_another(folder: Path) -> list[str]:
    """Return the names of the files that another user can read."""
    found = subprocess.run([sys.executable, "-c", _LOOK, str(folder)], capture_output=True, text=True, check=True)
    return found.stdout.split()


@as_root
def test_another_user_sees_nothing_of_an_upload_in_a_folder_that_was_open(
    serve: Callable[..., None], open_place: Path
) -> None:
    folder = open_place / "service"
    folder.mkdir()
    folder.chmod(0o755)
    (open_place / "control").touch()

    async def story(client: Client) -> None:
        waiting = await client.submit(recording(("sleep", 30)))
        await client.reaches(waiting, "running")
        assert (folder / "jobs" / waiting / "recording").is_file()
        assert seen_by_another(open_place) == ["control"]
        # and in itself each is closed, should the folder above be opened again
        assert {mode(path) for path in folder.rglob("*") if path.is_dir()} == {0o700}
        assert {mode(path) for path in folder.rglob("*") if path.is_file()} == {0o600}

    serve(story, folder=folder)
