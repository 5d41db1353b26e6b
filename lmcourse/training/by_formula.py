"""A run that nobody trained: losses, rates and samples by formula, to show a dashboard before there is a run.

It looks as runs do: the loss falls ever more slowly, and jumps once, at step 137. `TrainingDashboard.example()` is
made of it. Not here: anything measured.
"""

import math
from collections.abc import Iterator


def loss_at(step: int, times: float, wobble: float) -> float:
    """A loss in nats that falls as losses do; `times` as fast, with `wobble` of noise and of the jump.

    >>> round(loss_at(1, 1.0, 0.0), 2), round(loss_at(240, 1.0, 0.0), 2)
    (6.05, 2.79)
    """
    jump = 0.9 * math.exp(-(step - 137) / 4) if step >= 137 else 0.0
    noise = 0.09 * math.sin(37.7 * step) + 0.05 * math.sin(101.3 * step)
    return 2.35 + 3.9 * (1 + step * times / 14) ** -0.75 + wobble * (noise + times * jump)


def records(first: int, times: float) -> Iterator[dict]:
    """The records from step `first` to step 240, with `times` the learning rate.

    >>> [record["step"] for record in records(239, 1.0)]
    [239, 240]
    """
    for step in range(first, 241):
        lr = times * 3e-3 * min(step / 20, 0.1 + 0.9 * (1 + math.cos(math.pi * max(0, step - 20) / 220)) / 2)
        jump = 3.2 * math.exp(-abs(step - 137) / 2)
        yield {
            "step": step, "loss": loss_at(step, 1.0 if times == 1 else 0.75, 1.0), "lr": lr,
            "grad_norm": 0.55 + 1.6 / (1 + step / 8) + 0.12 * math.sin(17.3 * step) + jump,
            "tokens_per_s": 41_000 + 1_500 * math.sin(3.1 * step) - 9_000 * (step % 60 == 0),
            "mfu": 0.38 + 0.014 * math.sin(3.1 * step) - 0.08 * (step % 60 == 0),
            "val_loss": loss_at(step, 1.0, 0.0) + 0.06 if step % 60 == 0 else None,
            "starts": (step * 131, step * 977),
        }  # fmt: skip


def half_learnt(text: str, calls: int) -> str:
    """The text with letters exchanged, fewer with every call.

    >>> half_learnt("the loop", calls=1), half_learnt("the loop", calls=9)
    ('tstharod', 'the loop')
    """
    wrong = "etaoin shrdlu"
    return "".join(wrong[(7 * k) % 13] if (5 * k) % 9 >= calls else letter for k, letter in enumerate(text))
