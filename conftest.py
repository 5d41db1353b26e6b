"""Set-up that every test shares, the notebooks under nbval included."""

import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent

# Vocabularies and corpora that lie on disk beside the project are used, so that tests need no network.
_DATA = ROOT.parent / "shared" / "data"
for variable, folder in {"TIKTOKEN_CACHE_DIR": "tiktoken", "LMCOURSE_CACHE": "corpora"}.items():
    if variable not in os.environ and (_DATA / folder).is_dir():
        os.environ[variable] = str(_DATA / folder)

# Models on huggingface.co are a reader's to fetch.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# A shell leaves SIGINT ignored in what it starts in the background, and every kernel inherits that; tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# jsonschema, which nbformat imports, would build 38 grammars of web addresses: a second or two in every process.
sys.modules.setdefault("rfc3987_syntax", None)

# Tests never touch a learner's own progress.
os.environ.setdefault("LMCOURSE_DATA", tempfile.mkdtemp(prefix="lmcourse-tests-"))
# Two OpenMP threads beside two kernels are slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def figures_are_closed():
    """What a doctest or a test has drawn does not stay in memory."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def has_cuda() -> bool:
    """Whether a kernel started from here would see a GPU."""
    if os.environ.get("LMCOURSE_DEVICE", "cuda") != "cuda":
        return False
    import torch

    return torch.cuda.is_available()


def pytest_collectstart(collector):
    """Under nbval: leave out stderr, and skip cells that need CUDA where there is none (their stored output stays)."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("stderr",)


def pytest_collection_modifyitems(config, items):
    if os.environ.get("LMCOURSE_THOROUGH") != "1":  # what takes long is another gate's: python tests/gates.py thorough
        others = [item for item in items if item.get_closest_marker("thorough")]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]
    cells = [item for item in items if hasattr(item, "cell") and "needs-cuda" in _tags(item.cell)]
    if cells and not has_cuda():
        for item in cells:
            item.add_marker(pytest.mark.skip(reason="needs-cuda: no CUDA device here"))


def _tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])
