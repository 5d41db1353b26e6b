"""A file is replaced whole or not at all. Run: pytest tests/test_files.py"""

import random
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
