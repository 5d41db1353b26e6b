"""What the operating system does while a mapped file is read: pages, faults, resident memory.

Linux answers everything that is asked here, Windows and macOS a part of it; each function says what it does there.
"""

import ctypes
import mmap
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from jaxtyping import Bool, Int, Shaped

try:
    import resource
except ImportError:  # Windows
    resource = None

MAPPED_AT_MOST = 64 << 20  # bytes: of a larger file no page stays mapped after a batch, so resident memory is bounded


@dataclass(frozen=True)
class ProcessMemory:
    """What this process holds now, and has had to wait for so far."""

    resident: int  # bytes of physical memory, shared pages of mapped files included
    minor_faults: int  # a page was in memory, and had to be entered in this process's table
    major_faults: int | None  # a page had to be read from the disk; None on Windows, which counts both as minor


def process_memory() -> ProcessMemory:
    """Resident memory and page faults of this process, as the operating system counts them.

    >>> process_memory().resident > 1_000_000
    True
    """
    info = psutil.Process().memory_info()
    if resource is None:
        return ProcessMemory(info.rss, info.num_page_faults, None)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return ProcessMemory(info.rss, usage.ru_minflt, usage.ru_majflt)


def memory_and_faults(run: Callable[[], Any]) -> ProcessMemory:
    """What `run()` added to this process: bytes of resident memory, and page faults of both kinds.

    >>> memory_and_faults(lambda: bytearray(100)).minor_faults >= 0
    True
    """
    before = process_memory()
    run()
    after = process_memory()
    major = None if after.major_faults is None else after.major_faults - before.major_faults
    return ProcessMemory(after.resident - before.resident, after.minor_faults - before.minor_faults, major)


def memory_over_batches(read: Callable[[], Any], count: int) -> list[float]:
    """By how many megabytes resident memory has grown after 1, 2, ... `count` calls of `read()`.

    >>> len(memory_over_batches(lambda: None, 3))
    3
    """
    before, grown = process_memory().resident, []
    for _ in range(count):
        read()
        grown.append((process_memory().resident - before) / 1e6)
    return grown


def pages_loaded(tokens: Shaped[np.ndarray, "length"], run: Callable[[], Any]) -> int | None:
    """How many pages of the file `run()` brings into the page cache, which is emptied first; None where nobody can say.

    >>> pages_loaded(np.zeros(10), lambda: None) is None
    True
    """
    if not drop_from_cache(tokens) or (before := cached_pages(tokens)) is None:
        return None
    run()
    return int((cached_pages(tokens) & ~before).sum())


def pages_of(
    tokens: Shaped[np.ndarray, "length"], starts: Int[np.ndarray, "batch"], size: int, *, page_size: int = mmap.PAGESIZE
) -> set[int]:
    """The pages of the file that hold the windows of `size` tokens at `starts`; for an array in memory, the pages as if
    it were a file without a header.

    >>> sorted(pages_of(np.zeros(10_000, dtype=np.uint16), np.array([2047, 5000]), 2, page_size=4096))
    [0, 1, 2]
    """
    starts = np.asarray(starts).astype(np.int64, casting="same_kind")  # a small dtype would wrap at the product
    first = offset_in_file(tokens) + starts * tokens.itemsize
    last = first + int(size) * tokens.itemsize - 1
    return {page for a, b in zip(first // page_size, last // page_size) for page in range(int(a), int(b) + 1)}


def offset_in_file(tokens: Shaped[np.ndarray, "length"]) -> int:
    """The byte of the file at which `tokens` begins: the size of the header, and more for a slice; 0 in memory.

    >>> offset_in_file(np.zeros(10))
    0
    """
    root = _root(tokens)
    return tokens.ctypes.data - root.ctypes.data + root.offset if isinstance(root, np.memmap) else 0


def mapping_of(tokens: Shaped[np.ndarray, "length"]) -> mmap.mmap | None:
    """The mapping under `tokens` when it is of a file, read-only; None for an array in memory.

    None for a writable mapping too: to release its pages would lose what was written to them.

    >>> mapping_of(np.zeros(10)) is None
    True
    """
    root = _root(tokens)
    return root.base if isinstance(root.base, mmap.mmap) and getattr(root, "mode", "") == "r" else None


def _root(tokens: np.ndarray) -> np.ndarray:
    """The array that `tokens` is a slice or a view of, through what NumPy puts between (as_strided does)."""
    root, base = tokens, tokens.base
    while base is not None and not isinstance(base, mmap.mmap):
        root = base if isinstance(base, np.ndarray) else root
        base = getattr(base, "base", None)
    return root


def cached_pages(tokens: Shaped[np.ndarray, "length"]) -> Bool[np.ndarray, "pages"] | None:
    """Which pages of the mapped file are in memory (in the page cache, whoever read them); None where nobody can say.

    Linux answers (`mincore`); Windows and macOS are not asked.

    >>> cached_pages(np.zeros(10)) is None
    True
    """
    mapping = mapping_of(tokens)
    if mapping is None or sys.platform != "linux":
        return None
    address = np.frombuffer(mapping, dtype=np.uint8).ctypes.data
    found = np.zeros(-(-len(mapping) // mmap.PAGESIZE), dtype=np.uint8)
    failed = ctypes.CDLL(None).mincore(
        ctypes.c_void_p(address), ctypes.c_size_t(len(mapping)), found.ctypes.data_as(ctypes.c_void_p)
    )
    return None if failed else (found & 1).astype(bool)


def release_pages(tokens: Shaped[np.ndarray, "length"]) -> None:
    """Take the pages of a read-only mapped file out of this process.

    The page cache keeps them, so coming back is cheap. Nothing happens to an array in memory or to a mapping that can
    be written. On macOS the system decides when.

    >>> release_pages(np.zeros(10))
    """
    mapping = mapping_of(tokens)
    if mapping is None:
        return
    if hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)
    elif sys.platform == "win32":
        address = np.frombuffer(mapping, dtype=np.uint8).ctypes.data
        # Unlocking pages that are not locked removes them from the working set, says its documentation.
        ctypes.windll.kernel32.VirtualUnlock(ctypes.c_void_p(address), ctypes.c_size_t(len(mapping)))


def drop_from_cache(tokens: Shaped[np.ndarray, "length"]) -> bool:
    """Ask the system to forget the file's pages, so that the next read comes from the disk; False where it cannot.

    >>> drop_from_cache(np.zeros(10))
    False
    """
    mapping = mapping_of(tokens)
    if mapping is None or not hasattr(os, "posix_fadvise"):
        return False
    release_pages(tokens)  # a page that a process has mapped is not dropped
    with Path(_root(tokens).filename).open("rb") as file:
        os.fsync(file.fileno())  # nor is one that has not been written yet
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return True
