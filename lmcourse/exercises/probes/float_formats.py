"""What two exercises of notebook 02 try: tensors and their storages, and weights that an update is added to."""

import random
from collections.abc import Iterator

from lmcourse.exercises.cases import Case, pick, probe, random_floats
from lmcourse.float_formats import FORMATS


def memory_cases() -> Iterator[Case]:
    """Tensors of every kind, and what is none."""
    import torch

    yield probe("memory_bytes(torch.zeros(3))", lambda fn: fn(torch.zeros(3)))
    for dtype in (torch.bfloat16, torch.float64, torch.bool, torch.float8_e5m2, torch.complex64):
        yield probe(f"memory_bytes(torch.zeros(3, dtype={dtype}))", lambda fn, d=dtype: fn(torch.zeros(3, dtype=d)))
    tensors = {
        "torch.zeros(())": lambda: torch.zeros(()),
        "torch.zeros(0, 3)": lambda: torch.zeros(0, 3),
        "torch.zeros(4, 4).T": lambda: torch.zeros(4, 4).T,
        "torch.zeros(1000)[:10], which keeps all 1000 alive": lambda: torch.zeros(1000)[:10],
        "torch.zeros(1000)[:10].clone()": lambda: torch.zeros(1000)[:10].clone(),
        "torch.zeros(1000)[990:].detach()": lambda: torch.zeros(1000)[990:].detach(),
        "torch.zeros(1000)[:0]": lambda: torch.zeros(1000)[:0],
        "torch.zeros(1, 10).expand(1000, 10), one row 1000 times": lambda: torch.zeros(1, 10).expand(1000, 10),
        "torch.zeros(100, 100)[::2, ::2]": lambda: torch.zeros(100, 100)[::2, ::2],
        "torch.zeros(6)[2:4].view(torch.uint8)": lambda: torch.zeros(6)[2:4].view(torch.uint8),
        "torch.nn.Linear(3, 2).weight": lambda: torch.nn.Linear(3, 2).weight,
        "torch.empty(2000, 1000, device='meta')": lambda: torch.empty(2000, 1000, device="meta"),
        "torch.eye(3).to_sparse()": lambda: torch.eye(3).to_sparse(),
        "[1.0, 2.0], which is no tensor": lambda: [1.0, 2.0],
        "np.zeros(3), NumPy's": lambda: torch.zeros(3).numpy(),
        "None": lambda: None,
    }
    for text, make in tensors.items():
        yield probe(f"memory_bytes({text})", lambda fn, make=make: fn(make()))


def _diagnosis(weight: float, update: float, name: str) -> Case:
    label = f"diagnose({weight!r}, {update!r}, FORMATS[{name!r}])"
    return Case(label, lambda diagnose: diagnose(weight, update, FORMATS[name]))


def diagnose_cases() -> Iterator[Case]:
    """Weights and updates with a reason each, then all of two small formats, then some by chance."""
    for weight, update, name in (
        (1.0, 0.5, "bfloat16"),
        (1.0, -1e-3, "bfloat16"),
        (1.0, -1e-3, "float16"),
        (1.0, 1e-8, "float16"),
        (1.0, 1e-8, "bfloat16"),
        (1e-3, 1e-5, "bfloat16"),
        (256.0, 1.0, "bfloat16"),
        (258.0, 1.0, "bfloat16"),
        (1.0, -(2.0**-8), "bfloat16"),
        (1.0, 2.0**-8, "bfloat16"),
        (256.0, 1.001, "bfloat16"),  # the update is rounded, and the sum is a tie
        (1.0, 2.0**-8 * 1.001, "bfloat16"),
        (1.0, -(2.0**-9) * 1.001, "bfloat16"),
        (2048.0, 1.0003, "float16"),
        (1e-6, 1e-9, "float16"),
        (0.0, 4.5e-8, "float16"),  # more than half of the smallest number
        (0.1, -2e-4, "bfloat16"),  # the weight itself is rounded first
        (65504.0, 64.0, "float16"),
        (65504.0, 8.0, "float16"),  # the sum rounds back
        (1.0, 1e5, "float16"),
        (448.0, 100.0, "float8_e4m3fn"),
        (1.0, 1e-8, "float32"),
        (1.0, 1e-12, "float64"),  # nearly the same is not the same
        (1.0, -1.0, "float16"),  # the sum is 0, the update is not
        (0.5, -1.0, "float16"),  # as large as before, on the other side of 0
    ):
        yield _diagnosis(weight, update, name)
    for name in ("float8_e5m2", "float8_e4m3fn"):
        numbers = FORMATS[name].finite_values()
        pairs = ((w, u) for w in numbers[::6] for u in numbers if u)
        yield from (_diagnosis(w, u, name) for w, u in pick(pairs, 250))
    dice = random.Random(0)
    for name in ("float16", "bfloat16", "float8_e4m3fn", "float32"):
        for weight in random_floats(60, 1e-3, 300):  # what is between the numbers of the format too
            yield _diagnosis(weight, weight * dice.choice((-1, 1)) * 2.0 ** dice.uniform(-30, 10), name)
