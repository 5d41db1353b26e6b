"""Helpers that the package's tests share: golden files read by pytest and node alike."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Twenty examples find what is plainly wrong; `python tests/gates.py thorough` tries fifty times as many.
settings.register_profile(
    "course",
    max_examples=1000 if os.environ.get("LMCOURSE_THOROUGH") == "1" else 20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],  # a busy machine is no failure
)
settings.load_profile("course")

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def golden():
    """`golden(name, data)` asserts that tests/golden/<name>.json is what the Python reference gives now.

    Run pytest with LMCOURSE_WRITE_GOLDEN=1 to write it; the node test of the widget reads the same file.
    """

    def compare(name: str, data) -> None:
        path = GOLDEN / f"{name}.json"
        text = json.dumps(data, ensure_ascii=False, indent=None, separators=(",", ":"), allow_nan=False) + "\n"
        if os.environ.get("LMCOURSE_WRITE_GOLDEN") == "1":
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path.name} is missing: run this test with LMCOURSE_WRITE_GOLDEN=1"
        stored = json.loads(path.read_text(encoding="utf-8"))
        assert stored == json.loads(text), f"{path.name} is stale: run this test with LMCOURSE_WRITE_GOLDEN=1"

    return compare
