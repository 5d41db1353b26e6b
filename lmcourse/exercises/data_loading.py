"""Exercises of notebook 07: cases and hints. References: lmcourse.data_loading; wrong answers: mistakes.

Exercises 7.1 and 7.5 need neither NumPy nor PyTorch: both are imported where they are used.
"""

import mmap
from collections.abc import Callable

from lmcourse import data_loading as dl
from lmcourse.exercises.mistakes import data_loading as mistakes
from lmcourse.exercises.practice import data_loading as practice
from lmcourse.exercises.probes import data_loading as probes
from lmcourse.exercises.topic import Topic

topic = Topic("data_loading", 7, practice)
check, predict, quiz, ready = topic.check, topic.predict, topic.quiz, topic.ready


def _reference(name: str) -> Callable:
    """A name of lmcourse.data_loading; where its library is absent, a function that says so when it is called."""
    try:
        return getattr(dl, name)
    except ModuleNotFoundError as error:
        missing = error

    def absent(*args, **kwargs):
        raise missing

    absent.__name__ = name
    return absent


# 7.1


topic.exercise(
    dl.bytes_per_token,
    cases=probes.size_cases,
    hints=(
        "One byte holds the ids 0 to 255. How large may the vocabulary be, then? And with two bytes?",
        "Three cases: up to 2**8 tokens, up to 2**16 tokens, and more.",
    ),
    wrong={
        "the largest id is vocab_size − 1, not vocab_size": mistakes.largest_is_an_id,
        "these are bits; bytes are asked": mistakes.in_bits,
        "no integer of NumPy has three bytes": mistakes.three,
    },
    minutes=6,
    level=1,
)


# 7.2


topic.exercise(
    _reference("get_batch"),
    cases=probes.batch_cases,
    hints=(
        "A window holds context_length + 1 tokens: its first context_length are x, its last context_length are y. So "
        "len(tokens) − context_length starts are possible; fewer than one is a ValueError.",
        "starts = torch.randint(possible, (batch_size,), generator=generator).numpy(), then windows = "
        "read_windows(tokens, starts, context_length + 1). x is windows[:, :-1], y is windows[:, 1:]; to_device makes "
        "an int64 tensor of each.",
    ),
    wrong={
        "the targets are the inputs": mistakes.no_shift,
        "one start too many: its last target lies past the end": mistakes.one_start_too_many,
        "the last start is n − T − 1, and randint's bound is one more: n − T": mistakes.bound_is_the_last_start,
        "one start too few: the last token is never a target": mistakes.one_start_too_few,
        "the dtype is still that of the file": mistakes.narrow,
        "the whole file is widened to int64": mistakes.widens_the_file,
        "the whole file is copied into memory": mistakes.copies_the_file,
        "the generator is not used": mistakes.own_dice,
        "without a generator each call gives the same batch": mistakes.seeds_anew,
        "the device is not used": mistakes.on_the_cpu,
    },
    minutes=14,
    level=2,
)


# 7.3


topic.exercise(
    _reference("count_tokens_seen"),
    cases=probes.seen_cases,
    hints=(
        "Keep one mark for each token: np.zeros(num_tokens, dtype=bool).",
        "The window at s has the targets s + 1 ... s + context_length: mark seen[s + 1 : s + 1 + context_length], and "
        "count the marks at the end, as an int.",
    ),
    wrong={
        "a token counts as often as it was seen": mistakes.every_window_counts,
        "windows that overlap count twice": mistakes.different_starts,
        "the first input counts, which is no target": mistakes.inputs_too,
        "the last target of a window is missing": mistakes.one_target_short,
    },
    minutes=8,
    level=1,
)


# 7.4


topic.exercise(
    _reference("next_windows"),
    name="resume",
    cases=probes.order_cases,
    hints=(
        "The places are range(position, position + count). You know how to find the window at one place.",
        "A list of window_at(place, num_windows, seed) for each place; np.array(windows, dtype=np.int64) makes an "
        "array of it. A border between two epochs needs no extra care: window_at finds the epoch of each place.",
    ),
    wrong={
        "it starts over after every stop": mistakes.starts_over,
        "every epoch has the order of the first": mistakes.one_order,
        "past the border the old epoch's order goes on": mistakes.epoch_of_the_first,
        "the rest of the epoch is skipped": mistakes.next_epoch,
        "these are places, and which window is there is not asked": mistakes.places_alone,
        "a whole epoch is listed to find a few windows of it": mistakes.whole_epochs,
    },
    minutes=7,
    level=1,
)


# 7.4a


topic.exercise(
    _reference("window_at"),
    cases=probes.place_cases,
    hints=(
        "divmod(position, num_windows) gives the epoch and the place in it.",
        "Ask shuffled about one place only: shuffled(np.array([place]), num_windows, (seed, epoch)). It gives an array "
        "of one number; [0] takes it out, and int makes an int of it.",
    ),
    wrong={
        "every epoch has the order of the first": mistakes.window_of_epoch_0,
        "this is a place, and which window is there is not asked": mistakes.only_the_place,
        "the seed is seed + epoch, where the two are wanted side by side": mistakes.seed_plus_epoch,
        "a whole epoch is listed to find one window of it": mistakes.window_of_a_list,
    },
    of="resume",
    minutes=9,
    level=1,
)


# 7.5


topic.exercise(
    dl.shard,
    cases=probes.shard_cases,
    same=probes.same_places,
    hints=(
        "Rank 0 takes the first batch_size places from position on; where does rank 1 begin?",
        "position already counts the windows of all ranks, so world_size is not needed: return a range of batch_size "
        "places that begins at position + rank · batch_size.",
    ),
    wrong={
        "every rank reads the same places": mistakes.all_the_same,
        "the ranks overlap": mistakes.overlapping,
        "position is taken to count one rank's windows": mistakes.own_part_of_the_file,
        "the places are dealt out one by one": mistakes.dealt,
    },
    minutes=7,
    level=1,
)


# 7.6


topic.exercise(
    _reference("write_tokens"),
    cases=probes.file_cases,
    hints=(
        "Everything happens inside `with replacing(path) as file:`. First write_header(file, token_dtype(vocab_size), "
        "0), since the length is not known yet; then write_chunks.",
        "At the end file.seek(0) goes back to the beginning; write_header once more, with the length. No ids at all is "
        "a ValueError: raise it inside the with block, and the old file stays.",
    ),
    wrong={
        "the bytes are written without a header": mistakes.raw,
        "ids are never compared with vocab_size, and wrap around": mistakes.wraps,
        "the old file is written over in place": mistakes.in_place,
        "the header still says that there are 0 ids": mistakes.one_header,
        "no ids at all are not refused": mistakes.takes_none,
        "all ids are in memory at once": mistakes.all_at_once,
    },
    minutes=12,
    level=2,
)


# 7.6a


topic.exercise(
    _reference("write_chunks"),
    cases=probes.chunk_cases,
    hints=(
        "Loop over checked_chunks(ids, vocab_size). Each chunk is an array.",
        "file.write(chunk.tobytes()) writes one chunk; len(chunk) is how many ids it holds. Add the lengths up.",
    ),
    wrong={
        "these are chunks; ids are asked": mistakes.counts_chunks,
        "these are bytes; ids are asked": mistakes.counts_bytes,
        "only the first chunk is written": mistakes.the_first_chunk,
        "all ids are in memory at once": mistakes.listed_first,
    },
    of="write_tokens",
    minutes=6,
    level=1,
)


topic.prediction(
    "wrap",
    answer=4464,
    why="A uint16 counts modulo 65 536: 70 000 − 65 536 = 4 464, without a warning.",
    remarks={
        65_535: "That would be saturation; integers wrap.",
        70_000: "70 000 needs 17 bits.",
    },
)
topic.prediction(
    "page",
    answer=lambda: mmap.PAGESIZE,
    why="The system reads whole pages, never less: this machine's are that long.",
    remarks={2: "That is what you use. It is not what is read."},
)
topic.prediction(
    "starts",
    answer=6,
    why="A window needs 4 inputs and one more target: starts 0 to 10 − 4 − 1 = 5.",
    remarks={7: "The seventh window has 4 inputs, and its last target lies past the end.", 5: "Count start 0 too."},
)
topic.prediction(
    "coverage",
    answer=0.632,
    unit="share",
    tolerance=0.03,
    why="A token is missed by all n / T draws with probability (1 − T / n)^(n / T), about 1/e; 1 − 1/e is 63 %.",
    remarks={1.0: "Only without replacement.", 0.5: "Nearer than most guesses; compute (1 − 1/k)^k for a large k."},
)

topic.question(
    "What has been read when open_tokens returns?",
    "The header, and nothing of the data. A piece of it is read when you use something in it.",
)
topic.question(
    "How many windows with targets does a file of n tokens have?",
    "n − T, at the starts 0 ... n − T − 1: a window holds T + 1 tokens.",
)
topic.question(
    "More: why is a batch made by windows[starts] and not by a loop?",
    "The strided view holds every window without a copy; one indexing step copies the rows that are wanted.",
)
topic.question(
    "More: why is a token file .npy and not .bin, a name for bytes without a header?",
    "Its header says dtype and length. A raw file read with the wrong dtype gives wrong ids and no error.",
)
topic.question(
    "More: you ask for one token of two bytes. How much is read?",
    "At least one page: the system reads whole pages, never less.",
)
topic.question(
    "More: a checkpoint is a file from which a run can go on. What must it keep of the data loader?",
    "How many windows were handed out. Seed and position give the epoch, the order and the place in it.",
)
topic.question(
    "More: two ranks stop at step 100. Can one rank go on?",
    "Yes, with twice the batch: the position counts all ranks' windows, so the stream is the same.",
)
topic.question(
    "More: what share of the text does one 'epoch' of random windows show?",
    "1 − 1/e, 63 %. Shuffled windows show all of it.",
)
topic.question(
    "More: resident memory grew by gigabytes while you read a mapped file. Is it lost?",
    "No: the pages are the page cache's, and the system takes them back. Releasing them keeps the number small.",
)
