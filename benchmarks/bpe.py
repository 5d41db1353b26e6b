"""Claim: our trainer takes no longer than Hugging Face tokenizers (Rust), our encoder at most twice tiktoken's time.

Run with: python benchmarks/bpe.py [--megabytes 10] [--vocab-size 8192] [--rounds 3]

The text is Python's own source, one document a file, cut alike on both sides (GPT-2's pattern, documents never joined).
Training: ours in one thread of Python; theirs with all cores, and with one. One long pre-token (DNA, which no pattern
cuts): ours beside our plain trainer and theirs. Encoding: GPT-2's vocabulary where it is
cached or reachable, else the one trained here; both in one thread, and ours with an empty cache in every round. In
each round all run in turn, so that a busy machine slows all alike. Merges and ids are compared, not only times.
"""

import argparse
import os
import platform
import random
import statistics
import sysconfig
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from lmcourse.tokenization import BPETokenizer, real_encoding, train_bpe, train_bpe_naive, train_huggingface

END = "<|endoftext|>"


def documents(megabytes: float) -> list[str]:
    """Files of the standard library, in order, until the amount is reached."""
    texts, size = [], 0
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py")):
        if "site-packages" not in path.parts and size < megabytes * 1e6:
            texts.append(path.read_text(encoding="utf-8", errors="replace").replace(END, ""))
            size += len(texts[-1].encode("utf-8"))
    return texts


def in_turn(runs: dict[str, Callable], rounds: int) -> tuple[dict[str, list[float]], dict]:
    """Seconds of each run in each round, and what the last round returned."""
    seconds, results = {name: [] for name in runs}, {}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            results[name] = run()
            seconds[name].append(time.perf_counter() - start)
    return seconds, results


def report(title: str, seconds: dict[str, list[float]], size: int) -> None:
    print(f"\n{title}")
    ours = next(iter(seconds.values()))
    for name, times in seconds.items():
        median = statistics.median(times)
        ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, times))
        spread = " ".join(f"{t:.2f}" for t in times)
        print(
            f"  {name:34} {median:7.2f} s  {size / 1e6 / median:6.2f} MB/s   ours/this {ratio:5.2f}   rounds {spread}"
        )


def with_threads(threads: str, run: Callable) -> Callable:
    def limited():
        os.environ["TOKENIZERS_PARALLELISM"] = threads
        return run()

    return limited


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=10)
    parser.add_argument("--vocab-size", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()

    texts = documents(arguments.megabytes)
    size = sum(len(text.encode("utf-8")) for text in texts)
    pieces = [piece for text in texts for piece in (text, END)]
    print(f"{size / 1e6:.1f} MB in {len(texts)} documents, {os.cpu_count()} cores, python {platform.python_version()}")
    print(", ".join(f"{name} {version(name)}" for name in ("tokenizers", "tiktoken", "regex")))

    seconds, results = in_turn(
        {
            "ours (one thread)": lambda: train_bpe(pieces, arguments.vocab_size + 1, [END], tie="smallest")[1],
            "Hugging Face (all cores)": with_threads("true", lambda: train_huggingface(texts, arguments.vocab_size)),
            "Hugging Face (one thread)": with_threads("false", lambda: train_huggingface(texts, arguments.vocab_size)),
            "ours, tie='greatest'": lambda: train_bpe(pieces, arguments.vocab_size + 1, [END])[1],
        },
        arguments.rounds,
    )
    report(f"training to {arguments.vocab_size} tokens", seconds, size)
    ours, theirs, *_ = results.values()
    print(f"  merges equal: {ours == theirs} ({len(ours)})")

    letters = "".join(random.Random(0).choices("acgt", k=int(arguments.megabytes * 8000)))
    seconds, results = in_turn(
        {
            "ours": lambda: train_bpe(letters, 300, tie="smallest")[1],
            "our plain trainer": lambda: train_bpe_naive(letters, 300, tie="smallest")[1],
            "Hugging Face": lambda: train_huggingface([letters], 300),
        },
        arguments.rounds,
    )
    report("training to 300 tokens on one pre-token of DNA", seconds, len(letters))
    ours, plain, theirs = results.values()
    print(f"  merges equal: {ours == plain == theirs} ({len(ours)})")

    vocab, merges = train_bpe(pieces, arguments.vocab_size + 1, [END])
    encoding = real_encoding("gpt2") or BPETokenizer(vocab, merges, [END]).to_tiktoken()
    code = "\n".join(texts)
    for kind, text in {
        "as it is": code,
        "with curly quotes on every line": code.replace('"', "“").replace("'", "’"),
    }.items():
        warm = BPETokenizer.from_tiktoken(encoding)
        warm.encode(text)
        fresh = iter([BPETokenizer.from_tiktoken(encoding) for _ in range(arguments.rounds)])
        seconds, results = in_turn(
            {
                "ours": lambda text=text, fresh=fresh: next(fresh).encode(text),
                "tiktoken": lambda text=text: encoding.encode_ordinary(text),
                "ours, the cache filled": lambda text=text, warm=warm: warm.encode(text),
            },
            arguments.rounds,
        )
        report(f"encoding with {encoding.name}, text {kind}", seconds, len(text.encode("utf-8")))
        ours, theirs, _ = results.values()
        print(f"  ids equal: {ours == theirs} ({len(ours)})")


if __name__ == "__main__":
    main()
