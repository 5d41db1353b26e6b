"""Feed a model from a file larger than memory: token files, batches, and a sampler that can stop and go on.

All names of the topic are here; they are told in five modules, in this order:

- `tokens`: a file of ids that says what it holds, and is never half written.
- `batches`: windows of it, cut in one step, on their way to a device.
- `order`: which windows come next, from one integer that is the whole state.
- `ranks`: which of them are whose, when several processes read together.
- `pages`: what the operating system does meanwhile.

Names are looked up when they are first used: `shard` needs neither NumPy nor PyTorch, and runs where they are absent.
"""

from importlib import import_module
from typing import Any

_MODULES = {
    "tokens": ("checked_chunks", "encode_documents", "open_tokens", "token_dtype", "write_header", "write_tokens"),
    "batches": ("batch_at", "document_mask", "get_batch", "prefetch", "read_windows", "to_device"),
    "order": ("ROUNDS", "BatchSampler", "count_tokens_seen", "next_windows", "shuffled"),
    "ranks": ("shard",),
    "pages": (
        "ProcessMemory",
        "cached_pages",
        "drop_from_cache",
        "mapping_of",
        "offset_in_file",
        "pages_of",
        "process_memory",
        "release_pages",
    ),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    return found


def __dir__() -> list[str]:
    return __all__
