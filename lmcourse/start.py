"""Notebook 00: the one thing that a language model is asked, and what the machine at hand can do.

Not here: the drawing of the course (course_map.py) and what has been solved so far (exercises/progress.py).
"""

import os
import platform
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = ("torch", "numpy", "jupyterlab", "ipykernel", "anywidget", "lmcourse")
NOTEBOOKS = (
    "00_start_here",
    "01_tokenization",
    "02_float_formats",
    "03_strides",
    "04_einops",
    "05_flops_and_mfu",
    "06_initialization",
    "07_data_loading",
    "08_optimizers",
    "09_training",
)
GPU_CELLS = {"02": 1, "03": 2, "09": 1}  # by notebook: the cells that only a GPU can run
ENOUGH_MEMORY = 2 * 2**30  # bytes: no notebook takes more


def shift_by_one(ids: list[int]) -> tuple[list[int], list[int]]:
    """Return the inputs, all ids but the last, and the targets, all ids but the first:
    each id is to predict the next.

    Raises ValueError where there is nothing to predict, with fewer than two ids.

    >>> shift_by_one([7, 8, 9])
    ([7, 8], [8, 9])
    """
    if len(ids) < 2:
        raise ValueError(f"ids: two or more, got {len(ids)}")
    return ids[:-1], ids[1:]


def environment() -> dict[str, str]:
    """What this machine has, and what the notebooks will skip on it, in words.

    Takes about two seconds, for the peak is measured. Sends nothing anywhere, and asks no network.
    """
    from lmcourse.hardware import measure_peak
    from lmcourse.support import device
    from lmcourse.support.timing import si

    chosen = device.pick()
    peak = measure_peak(chosen, "float32")
    return {
        "python": f"{platform.python_version()} on {platform.system()}, {platform.machine()}",
        "libraries": ", ".join(f"{name} {_version(name)}" for name in LIBRARIES),
        "device": device.describe(chosen),
        "CUDA": cuda_status(),
        "memory": _memory(),
        "measured peak": f"{si(peak.flop_per_s, 'FLOP/s')} in float32 matmul, {si(peak.bytes_per_s, 'B/s')} in copying",
        "will be skipped": "; ".join(skipped()) or "nothing",
        "not beside this": ", ".join(missing()) or "nothing is missing",
    }


def show_environment() -> None:
    """Show `environment` as a card, in a notebook or a terminal."""
    from lmcourse.exercises.cards import Card

    facts = environment()
    Card("correct", "The course runs here; this is what it runs on", rows=tuple(facts.items())).show()


def cuda_status() -> str:
    """Whether this kernel uses an NVIDIA GPU, and if not, why not.

    >>> cuda_status().startswith(("yes", "no"))
    True
    """
    import torch

    if os.environ.get("LMCOURSE_DEVICE", "cuda").strip().lower() not in ("", "cuda"):
        return f"no: LMCOURSE_DEVICE is {os.environ['LMCOURSE_DEVICE']}"
    if torch.version.cuda is None:
        return f"no: torch {torch.__version__} is a build without CUDA"
    if not torch.cuda.is_available():
        return f"no: torch is built for CUDA {torch.version.cuda}, but finds no NVIDIA GPU with a driver for it"
    memory = torch.cuda.get_device_properties(0).total_memory
    return f"yes: CUDA {torch.version.cuda}, {torch.cuda.get_device_name(0)}, {memory / 2**30:.0f} GiB"


def skipped() -> list[str]:
    """What the notebooks will leave out on this machine, each with its reason; empty where nothing is.

    >>> from unittest import mock
    >>> with mock.patch.dict(os.environ, LMCOURSE_DEVICE="cpu"):
    ...     skipped()[0]
    'what only a GPU can show (4 cells, in 02, 03, 09), for there is none'
    """
    found = []
    if not cuda_status().startswith("yes"):
        cells, where = sum(GPU_CELLS.values()), ", ".join(GPU_CELLS)
        found.append(f"what only a GPU can show ({cells} cells, in {where}), for there is none")
    if not any(_tiktoken_folder().glob("*")):
        found.append("the comparison with real vocabularies (01), unless a network is there to fetch them once")
    if _memory_bytes() < ENOUGH_MEMORY:
        found.append("whatever needs more memory than is free: close other kernels first")
    return found


def missing(folder: str | os.PathLike = ".") -> list[str]:
    """The notebooks of the course that are not in a folder: links to them lead nowhere.

    >>> missing("/nowhere")[:2]
    ['00_start_here.ipynb', '01_tokenization.ipynb']
    """
    return [f"{name}.ipynb" for name in NOTEBOOKS if not Path(folder, f"{name}.ipynb").is_file()]


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "absent"


def _memory_bytes() -> int:
    """Free memory; where a hub or Binder sets a limit, not more than that."""
    import psutil

    free = psutil.virtual_memory().available
    limit = os.environ.get("MEM_LIMIT", "")
    return min(free, int(limit)) if limit.isdigit() else free


def _memory() -> str:
    import psutil

    total = psutil.virtual_memory().total
    return f"{_memory_bytes() / 2**30:.1f} GiB free of {total / 2**30:.1f}; no notebook takes more than 2 GiB"


def _tiktoken_folder() -> Path:
    """Where tiktoken keeps the vocabularies that it fetched."""
    return Path(os.environ.get("TIKTOKEN_CACHE_DIR") or Path(tempfile.gettempdir(), "data-gym-cache"))
