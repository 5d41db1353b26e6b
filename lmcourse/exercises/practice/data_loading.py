"""Practice beside notebook 07: see the package."""

SLIPS = {
    "bytes_per_token": {
        "the largest id is vocab_size − 1, not vocab_size": ("vocab_size <= 2**8", "vocab_size < 2**8"),
        "no integer of NumPy has three bytes": ("return 4", "return 3"),
    },
    "get_batch": {
        "the targets are the inputs": ("to_device(windows[:, 1:], device)", "to_device(windows[:, :-1], device)"),
        "one start too many: its last target lies past the end": (
            "possible = len(tokens) - context_length",
            "possible = len(tokens) - context_length + 1",
        ),
        "the generator is not used": ("(batch_size,), generator=generator)", "(batch_size,))"),
    },
    "count_tokens_seen": {
        "the first input counts, which is no target": (
            "seen[start + 1 :][:context_length]",
            "seen[start : start + context_length + 1]",
        ),
        "a token counts as often as it was seen": ("int(seen.sum())", "len(starts) * context_length"),
        "the last target of a window is missing": ("[:context_length]", "[: context_length - 1]"),
    },
    "write_tokens": {
        "the old file is written over in place": ("with replacing(path) as file", 'with open(path, "wb") as file'),
        "all ids are in memory at once": (
            "write_chunks(file, ids, vocab_size)",
            "write_chunks(file, list(ids), vocab_size)",
        ),
    },
    "write_chunks": {
        "these are chunks; ids are asked": ("count += len(chunk)", "count += 1"),
        "these are bytes; ids are asked": ("count += len(chunk)", "count += chunk.nbytes"),
        "all ids are in memory at once": ("checked_chunks(ids, vocab_size)", "checked_chunks(list(ids), vocab_size)"),
    },
}

WHY = {
    "bytes_per_token": (
        "Why does `vocab_size <= 2**8` allow 256 itself, when one byte goes up to 255?",
        "Ids begin at 0. With 256 tokens the largest id is 255, and that fits.",
    ),
    "get_batch": (
        "Why are windows of `context_length + 1` tokens read, when a row has context_length?",
        "Inputs and targets are the same tokens, one place apart. The first context_length are inputs, the last "
        "context_length are targets.",
    ),
    "count_tokens_seen": (
        "Why does `seen[start + 1 :][:context_length] = True` count overlapping windows right?",
        "It marks places and adds nothing up. A place that is marked twice is True, as before, and the sum counts it "
        "once.",
    ),
    "resume": (
        "Why can `window_at(place, num_windows, seed)` be asked for any place, without the windows before it?",
        "The order is computed from seed and epoch, and not drawn step by step. So a run goes on at any place without "
        "a list.",
    ),
    "window_at": (
        "Why is the seed `(seed, epoch)`, and not seed + epoch?",
        "Seed 0 in epoch 1 and seed 1 in epoch 0 have one sum. Two runs would then share an order; side by side the "
        "two numbers stay apart.",
    ),
    "shard": (
        "Why is `rank * batch_size` added to the position?",
        "position counts the windows of all ranks. The ranks before this one take batch_size windows each, and this "
        "one begins behind them.",
    ),
    "write_tokens": (
        "Why is the header written twice, with `file.seek(0)` between?",
        "At first nobody knows how many ids come. The first header keeps the place, and the second says the number "
        "when they are counted.",
    ),
    "write_chunks": (
        "Why is it `count += len(chunk)`, and not one more for each chunk?",
        "A chunk holds up to 65,536 ids, and the last may hold fewer. The header needs the number of ids.",
    ),
}
