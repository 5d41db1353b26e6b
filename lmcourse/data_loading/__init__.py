"""Feed a model from a file larger than memory: token files, batches, and a sampler that can stop and go on.

All names of the topic are here; they are told in these modules, in this order:

- `tokens`: a file of ids that says what it holds, and is never half written.
- `batches`: windows of it, cut in one step, on their way to a device.
- `order`: which windows come next, from one integer that is the whole state.
- `ranks`: which of them are whose, when several processes read together; what a token takes.
- `pages`: what the operating system does meanwhile.
- `examples`, `pictures`: files and figures of notebook 07.

Names are looked up when they are first used: `shard` and `bytes_per_token` need neither NumPy nor PyTorch, and
run where they are absent.
"""

from lmcourse.support.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "tokens": "checked_chunks encode_documents open_tokens token_dtype write_chunks write_header write_tokens",
        "batches": "batch_at document_mask get_batch prefetch read_windows to_device",
        "order": "ROUNDS BatchSampler count_tokens_seen next_windows shuffled window_at",
        "ranks": "bytes_per_token shard",
        "pages": "ProcessMemory cached_pages drop_from_cache mapping_of memory_and_faults memory_over_batches "
        "offset_in_file pages_loaded pages_of process_memory release_pages",
        "examples": "help_corpus kill_a_writer large_file refusal scratch_folder",
        "pictures": "draw_file draw_shift draw_windows",
    },
)
