"""Pick the device that a notebook runs on: CUDA when the kernel has it, else the CPU; MPS only when asked for."""

import os
import warnings

import torch


def pick() -> torch.device:
    """The device to use. `LMCOURSE_DEVICE=cpu|cuda|mps` overrides.

    Raises ValueError where that is none of the three, RuntimeError where this PyTorch cannot use it.

    >>> pick().type in {"cpu", "cuda", "mps"}
    True
    """
    wanted = os.environ.get("LMCOURSE_DEVICE", "").strip().lower()
    if not wanted:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted not in {"cpu", "cuda", "mps"}:
        raise ValueError(f"LMCOURSE_DEVICE: cpu, cuda or mps, got {wanted!r}")
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available[wanted]:
        raise RuntimeError(f"LMCOURSE_DEVICE: what this PyTorch ({torch.__version__}) can use here, got {wanted!r}")
    if wanted == "mps":
        warnings.warn("On MPS losses differ from the CPU's and CUDA's; the course's numbers are theirs", stacklevel=2)
    return torch.device(wanted)


def describe(device: torch.device) -> str:
    """The device in words: "cpu (2 threads)" or the name of the GPU.

    >>> describe(torch.device("cpu")).startswith("cpu (")
    True
    """
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    if device.type != "cpu":
        return device.type
    threads = torch.get_num_threads()
    return f"cpu ({threads} thread{'' if threads == 1 else 's'})"
