"""A file is replaced whole or not at all."""

import errno
import os
import random
import stat
import subprocess
import sys
import time

import pytest

from lmcourse.support.files import replacing

WRITER = """
import sys
from lmcourse.support.files import replacing
for k in range(10**9):
    with replacing(sys.argv[1]) as file:
        for _ in range(64):
            file.write(bytes([k % 256]) * 4096)
    print(k, flush=True)
"""


def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "kept"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), replacing(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "no" / "such"):
        pass


def test_a_folder_that_cannot_be_synced_keeps_the_finished_file(tmp_path, monkeypatch):
    """Some network drives (CIFS) refuse to sync a folder: by then the file is there."""
    sync, path = os.fsync, tmp_path / "data"

    def refuses_folders(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(handle)

    monkeypatch.setattr(os, "fsync", refuses_folders)
    with replacing(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
@pytest.mark.parametrize("there", [True, False], ids=["to a file", "to a file that is not there yet"])
def test_a_link_stays_a_link_and_what_it_points_to_is_replaced(tmp_path, there):
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "real", tmp_path / "link"
    link.symlink_to("elsewhere/real")
    if there:
        target.write_bytes(b"old")
    with replacing(link) as file:
        file.write(b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"
    assert list((tmp_path / "elsewhere").iterdir()) == [target]


@pytest.mark.parametrize("name", ["a" * 233, "a" * 255, "é" * 127, "字" * 85])
def test_the_longest_names_can_be_written(tmp_path, name):
    with replacing(tmp_path / name) as file:
        file.write(b"new")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path):
    path = tmp_path / "data"
    rng = random.Random(0)
    for _ in range(8):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.05))
        process.kill()
        process.communicate()
        data = path.read_bytes()
        assert len(data) == 64 * 4096 and len(set(data)) == 1
