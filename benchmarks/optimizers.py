"""Claim: our AdamW takes at most 1.2 times as long as PyTorch's fused AdamW, on the parameters of real models.

Run with: python benchmarks/optimizers.py [--device cuda] [--repeats 40]

One process steps five optimizers over the same shapes in turn, so that a busy machine slows all alike: ours, ours one
parameter at a time (what a learner writes), and PyTorch's for-loop, foreach and fused versions. Prints medians and
ratios.
"""

import argparse
import platform
import statistics

import torch

from lmcourse.model import ModelConfig, TransformerLM
from lmcourse.optimizers import AdamW, PlainAdamW
from lmcourse.support import timing
from lmcourse.support.device import describe

MODELS = {
    "the model of notebook 09": ModelConfig(256, 64, d_model=128, num_layers=4, num_heads=4, d_ff=344),
    "8 layers of width 256": ModelConfig(4096, 64, d_model=256, num_layers=8, num_heads=4, d_ff=688),
}


OPTIMIZERS = {
    "ours": AdamW,
    "ours, one parameter at a time": PlainAdamW,
    "torch, for-loop": lambda params: torch.optim.AdamW(params, foreach=False),
    "torch, foreach": lambda params: torch.optim.AdamW(params, foreach=True),
    "torch, fused": lambda params: torch.optim.AdamW(params, fused=True),
}


def step_times(config: ModelConfig, device: torch.device, repeats: int) -> dict[str, float]:
    """Median seconds a step of each optimizer, measured in alternation."""
    torch.manual_seed(0)
    runs = {name: [] for name in OPTIMIZERS}
    steps = {}
    for name, make in OPTIMIZERS.items():
        params = list(TransformerLM(config).to(device).parameters())
        for param in params:
            param.grad = torch.randn_like(param)
        steps[name] = make(params).step
    for _ in range(repeats):
        for name, step in steps.items():
            runs[name].append(timing.time(step, warmup=1, repeats=1, device=device).median)
    return {name: statistics.median(seconds) for name, seconds in runs.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=40)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    print(f"torch {torch.__version__}, {describe(device)}, {platform.machine()}, {torch.get_num_threads()} threads")
    for label, config in MODELS.items():
        times = step_times(config, device, arguments.repeats)
        tensors = [p.numel() for p in TransformerLM(config).parameters()]
        print(f"\n{label}: {sum(tensors):,} parameters in {len(tensors)} tensors")
        for name, seconds in times.items():
            ratio = seconds / times["torch, fused"]
            print(f"  {name:30} {seconds * 1e3:8.2f} ms a step   {ratio:5.2f} × torch's fused")
        ratio = times["ours"] / times["torch, fused"]
        print(f"  at most 1.2: {'yes' if ratio <= 1.2 else 'NO'}")


if __name__ == "__main__":
    main()
