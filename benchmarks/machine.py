"""Record what one machine does: matmul rates by format, copy rate, a training step with its MFU and its memory.

Run with: python benchmarks/machine.py [--device cuda] [--out FILE]

The record is JSON with the card, the versions, the date and the command, so that readers without such a machine can see
the figures; `lmcourse.recorded` reads them and notebook 05 shows them.
"""

import argparse
import json
import platform
import re
import shlex
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from lmcourse.flops import flops_per_token, memory_timeline, mfu
from lmcourse.hardware import find_accelerator, measure_peak, peak_flop_per_s
from lmcourse.model import ModelConfig, TransformerLM, cross_entropy
from lmcourse.recorded import RECORDED
from lmcourse.support.timing import live_bytes, si, synchronize, time


def describe_machine(device: torch.device | str = "cpu", *, command: str = "") -> dict[str, Any]:
    """Everything that the course wants to know of one machine, with its provenance, as JSON-ready values.

    Ceilings by format (on CUDA bfloat16, tf32 and float32), and a training step of the course's model in each: tokens
    a second, model FLOPs utilisation against the datasheet and against the measured ceiling, peak memory measured and
    predicted.
    """
    device = torch.device(device)
    cuda = device.type == "cuda"
    chip = find_accelerator(device)
    ceilings = {
        name: measure_peak(device, name) for name in (("bfloat16", "tf32", "float32") if cuda else ("float32",))
    }
    return {
        "card": torch.cuda.get_device_name(device) if cuda else platform.processor() or platform.machine(),
        "device": device.type,
        "date": datetime.now(UTC).date().isoformat(),
        "command": command,
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "cuda": torch.version.cuda},
        "datasheet": None if chip is None else {"name": chip.name, "source": chip.source, "read": chip.date},
        "ceilings": [asdict(ceiling) | {"datasheet": chip and chip.peak.get(n)} for n, ceiling in ceilings.items()],
        "steps": [_one_step(device, name, ceiling.flop_per_s) for name, ceiling in ceilings.items()],
    }


def _one_step(device: torch.device, dtype: str, measured_peak: float) -> dict[str, Any]:
    """One training step of the course's model, timed and weighed."""
    if device.type == "cuda":
        config = ModelConfig(vocab_size=8192, context_length=1024, d_model=2048, num_layers=8, num_heads=16, d_ff=5632)
        batch, seq = 8, 1024
    else:
        config = ModelConfig(vocab_size=256, context_length=128, d_model=128, num_layers=2, num_heads=4, d_ff=344)
        batch, seq = 4, 128
    torch.manual_seed(0)
    model = TransformerLM(config, fused_attention=True).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), foreach=False)
    ids = torch.randint(config.vocab_size, (batch, seq)).to(device)
    precision_before = torch.get_float32_matmul_precision()

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=dtype == "bfloat16"):
            loss = cross_entropy(model(ids).float(), ids)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    try:
        torch.set_float32_matmul_precision("high" if dtype == "tf32" else "highest")
        runs = time(step, warmup=3, repeats=10, device=device, max_seconds=20)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            step()
            synchronize(device)
            measured_bytes = torch.cuda.max_memory_allocated(device)
        else:
            measured_bytes = 3 * sum(p.nbytes for p in model.parameters()) + max(live_bytes(step))
    finally:
        torch.set_float32_matmul_precision(precision_before)
    timeline = memory_timeline(config, batch, seq, recipe="fp32", fused_attention=True)
    predicted = max(sum(value for value in moment.values() if not isinstance(value, str)) for moment in timeline)
    per_token, tokens_per_s = flops_per_token(config, seq)["matmuls"], batch * seq / runs.median
    return {
        "dtype": dtype,
        "config": asdict(config),
        "batch": batch,
        "seq": seq,
        "seconds": runs.median,
        "quartiles": runs.quartiles,
        "tokens_per_s": tokens_per_s,
        "flops_per_token": per_token,
        "convention": "matmuls",
        "mfu_datasheet": mfu(per_token, tokens_per_s, peak_flop_per_s(device, dtype)),
        "mfu_measured": mfu(per_token, tokens_per_s, measured_peak),
        "peak_bytes": measured_bytes,
        "predicted_bytes": None if dtype == "bfloat16" else predicted,  # autocast keeps copies that we do not predict
    }


def describe_record(record: dict[str, Any]) -> str:
    """A record in a few lines of text: provenance, ceilings, steps."""
    versions = record["versions"]
    lines = [f"{record['card']}, {record['date']}, torch {versions['torch']}, `{record['command']}`"]
    for ceiling in record["ceilings"]:
        matmul, copy = si(ceiling["flop_per_s"], "FLOP/s"), si(ceiling["bytes_per_s"], "B/s")
        if ceiling["datasheet"]:
            matmul += f", {ceiling['flop_per_s'] / ceiling['datasheet']:.0%} of the datasheet"
        lines.append(f"  {ceiling['dtype']}: matmul {matmul}, copy {copy}")
    for step in record["steps"]:
        mfu = "unknown" if step["mfu_datasheet"] is None else f"{step['mfu_datasheet']:.1%}"
        memory = si(step["peak_bytes"], "B")
        if step["predicted_bytes"]:
            memory += f", predicted {si(step['predicted_bytes'], 'B')}"
        lines.append(
            f"  step in {step['dtype']}: {step['tokens_per_s']:,.0f} tokens/s, MFU {mfu} "
            f"(of the measured peak {step['mfu_measured']:.1%}); {memory}"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Record this machine; see `--help`."""
    parser = argparse.ArgumentParser(description=describe_machine.__doc__.splitlines()[0])
    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=default, help="cuda, cuda:1 or cpu; here the default is %(default)s")
    parser.add_argument("--out", type=Path, help="the JSON file to write; a GPU's goes beside the course's own records")
    options = parser.parse_args(arguments)
    command = shlex.join(["python", "benchmarks/machine.py", *(sys.argv[1:] if arguments is None else arguments)])
    result = describe_machine(options.device, command=command)
    print(describe_record(result))
    out = options.out
    if out is None and result["device"] == "cuda":
        out = RECORDED / (re.sub(r"\W+", "_", result["card"].lower()) + ".json")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"written to {out}")


if __name__ == "__main__":
    main()
