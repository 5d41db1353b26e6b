"""Judge and plain exercises under Pyodide, as in the book. Run: pytest tests/exercises/test_in_a_page.py

Node runs it; Pyodide comes from npm, into build/. There are no threads there, so the limits are off.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYODIDE = "314.0.7"
PROGRAM = """
import sys
from lmcourse.exercises import judging, topic

def check_all(name, exercises):
    asked = topic(name)
    for exercise in (asked.exercises[each] for each in exercises):
        assert judging.judge(exercise, exercise.reference).state == "correct", exercise.name
        attempt = next(iter(exercise.wrong.values()))
        attempt.__name__ = exercise.name
        asked.check(attempt)
    asked.predict(next(iter(asked.predictions)), "no idea")

for line in sys.argv[1:]:
    check_all(line.split()[0], line.split()[1:])
print(sys.platform, "numpy" in sys.modules, "torch" in sys.modules)
"""


@pytest.fixture(scope="module")
def pyodide():
    folder = ROOT / "build" / "pyodide"
    if not (folder / "node_modules" / "pyodide" / "pyodide.mjs").exists():
        if shutil.which("npm") is None or shutil.which("node") is None:
            pytest.skip("node and npm are not installed")
        folder.mkdir(parents=True, exist_ok=True)
        quiet = ("--no-package-lock", "--silent", "--no-fund", "--no-audit")
        command = [shutil.which("npm"), "install", "--prefix", str(folder), f"pyodide@{PYODIDE}", *quiet]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("npm cannot install pyodide here (no network?)")
    return folder / "node_modules" / "pyodide"


PLAIN = [
    "start shift_by_one",
    "float_formats decode_bits format_limits encode_nearest_even diagnose",
    "strides offset contiguous_strides is_contiguous can_view",
    "flops matmul_flops transformer_flops mfu training_days max_parameters",
    "initialization linear_std",
    "data_loading bytes_per_token shard",
    "optimizers cosine_lr",
    "training bits_per_byte",
]


@pytest.mark.slow
def test_plain_exercises_are_judged_in_a_page(pyodide, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    page = Path(__file__).with_name("page.mjs")
    command = ["node", str(page), str(pyodide), str(ROOT), str(program), *PLAIN]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stdout[-1500:] + ran.stderr[-1500:]
    assert ran.stdout.splitlines()[-1] == "emscripten False False" and "✗ Exercise 3.3 can_view" in ran.stdout
