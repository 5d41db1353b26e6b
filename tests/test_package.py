"""What holds for the package as a whole. Run: pytest tests/test_package.py"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_import_loads_no_library():
    """Milliseconds, because nothing is loaded: what is counted here is modules, not time."""
    program = "import sys; before = set(sys.modules); import lmcourse; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert set(done.stdout.split()) == {"lmcourse"}


@pytest.mark.parametrize(
    "name", ["tokenization", "support.corpus", "exercises", "exercises.tokenization", "widgets", "support.plotting"]
)
def test_no_torch_where_none_is_needed(name):
    program = f"import sys, lmcourse.{name}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


def test_a_folder_on_the_path_is_enough(tmp_path):
    """No notebook asks for the metadata of an installed package: a clone that was never installed works too."""
    shutil.copytree(ROOT / "lmcourse", tmp_path / "lmcourse")
    program = """
import sys, importlib.metadata as metadata
known = metadata.version
metadata.version = lambda name: 1 / 0 if name == "lmcourse" else known(name)
sys.path.insert(0, sys.argv[1])
import torch
from lmcourse.exercises.flops import ready
ready()
print(sys.modules["lmcourse"].__file__)
"""
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert "Ready: python" in done.stdout and str(tmp_path) in done.stdout
