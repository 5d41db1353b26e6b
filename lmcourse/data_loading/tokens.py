"""Token files: ordinary `.npy` files of unsigned integers, written whole or not at all, mapped without being read.

The header says the dtype and the length, so nobody has to remember them. `encode_documents` makes the ids of a corpus.
Not here: tokenization (lmcourse.tokenization), data from a network, several files as one.
"""

import mmap
import operator
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Int, UInt
from tqdm import tqdm

from lmcourse.data_loading.pages import mapping_of, release_pages
from lmcourse.data_loading.ranks import bytes_per_token
from lmcourse.support.checks import got
from lmcourse.support.files import replacing
from lmcourse.tokenization.pretokens import utf8

TOKEN_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.uint32))
CHUNK = 1 << 16  # tokens that are in memory at a time while a file is written or checked


def token_dtype(vocab_size: int) -> np.dtype:
    """The smallest unsigned dtype that holds every id below `vocab_size`: 1, 2 or 4 bytes per token.

    Raises ValueError when no dtype of 4 bytes or fewer does.

    >>> [str(token_dtype(size)) for size in (256, 257, 50_257, 65_536, 65_537)]
    ['uint8', 'uint16', 'uint16', 'uint16', 'uint32']
    """
    vocab_size = operator.index(vocab_size)
    if not 1 <= vocab_size <= 2**32:
        raise ValueError(f"vocab_size: 1 to 2**32, for ids are stored in at most 4 bytes, got {vocab_size}")
    return np.dtype(f"uint{8 * bytes_per_token(vocab_size)}")


def write_header(file: BinaryIO, dtype: np.dtype, length: int) -> None:
    """Write the `.npy` header of `length` ids of `dtype` at the file's position.

    NumPy pads a header so that it can be written again, at the same size, when the length is known at last.

    >>> import io
    >>> file = io.BytesIO()
    >>> write_header(file, np.dtype(np.uint16), 1000)
    >>> file.tell(), file.getvalue()[:6]
    (128, b'\\x93NUMPY')
    """
    description = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(file, description)


def checked_chunks(ids: Iterable[int], vocab_size: int) -> Iterator[UInt[np.ndarray, "chunk"]]:
    """The ids as arrays of at most 65,536, in the dtype of the vocabulary, each id compared with `vocab_size` first.

    NumPy would store 70,000 as 4,464 in a uint16, and say nothing. Raises TypeError at an id that is no integer and
    ValueError at one outside 0 ... vocab_size − 1.

    >>> [chunk.tolist() for chunk in checked_chunks(iter([5, 6, 7]), vocab_size=10)]
    [[5, 6, 7]]
    """
    dtype, done = token_dtype(vocab_size), 0
    for chunk in _chunks(ids, vocab_size):
        wrong = (chunk < 0) | (chunk >= vocab_size)
        if wrong.any():
            at = int(wrong.argmax())
            raise ValueError(f"ids[{done + at}]: 0 to {vocab_size - 1} with vocab_size {vocab_size}, got {chunk[at]}")
        yield chunk.astype(dtype)
        done += len(chunk)


def _chunks(ids: Iterable[int], vocab_size: int) -> Iterator[Int[np.ndarray, "chunk"]]:
    if isinstance(ids, np.ndarray):
        if ids.ndim != 1 or ids.dtype.kind not in "iu":
            raise TypeError(f"ids: an array of one dimension of integers, got {ids.ndim} of {ids.dtype}")
        for start in range(0, len(ids), CHUNK):
            yield ids[start : start + CHUNK]
        return
    integers = map(operator.index, ids)
    try:
        while len(chunk := np.fromiter(islice(integers, CHUNK), np.int64)):
            yield chunk
    except OverflowError:
        raise ValueError(f"ids: 0 to {vocab_size - 1} with vocab_size {vocab_size}, got one beyond 64 bits") from None


def write_chunks(file: BinaryIO, ids: Iterable[int], vocab_size: int) -> int:
    """Write the ids to an open file, chunk by chunk; return how many there were.

    What is written are the bytes of each chunk of `checked_chunks(ids, vocab_size)`,
    one after the other, and nothing else. So only one chunk is in memory at a time.

    >>> import io
    >>> file = io.BytesIO()
    >>> write_chunks(file, iter([1, 2, 258]), 1000), file.tell()
    (3, 6)
    """
    count = 0
    for chunk in checked_chunks(ids, vocab_size):
        file.write(chunk.tobytes())
        count += len(chunk)
    return count


def write_tokens(path: str | os.PathLike, ids: Iterable[int], vocab_size: int) -> int:
    """Write ids to a `.npy` token file in constant memory; return how many there were.

    The file appears under its name whole or not at all (`replacing`): a writer that is
    killed leaves the old file as it was.

    Args:
        path: the file to make or to replace.
        ids: the token ids, from an iterator of any length.
        vocab_size: the tokenizer's; it decides the dtype (1, 2 or 4 bytes per token).

    Raises ValueError for no ids at all and for one outside 0 ... vocab_size − 1,
    TypeError for one that is no integer; then `path` is as it was before.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     count = write_tokens(f"{folder}/a.npy", iter([15496, 11, 995]), 50_257)
    ...     stored = np.load(f"{folder}/a.npy")
    >>> count, stored
    (3, array([15496, 11, 995], dtype=uint16))
    """
    with replacing(path) as file:
        write_header(file, token_dtype(vocab_size), 0)  # keeps the place
        length = write_chunks(file, ids, vocab_size)
        if length == 0:
            raise ValueError("ids: one or more, got none")
        file.seek(0)
        write_header(file, token_dtype(vocab_size), length)
    return length


def open_tokens(path: str | os.PathLike, *, vocab_size: int | None = None) -> UInt[np.ndarray, "length"]:
    """Map a token file into memory, read-only: nothing of it is read until it is used.

    What comes back is an `np.memmap`, an array whose memory is the file. With `vocab_size` every id is read once, in
    constant memory, and compared with it.

    Raises FileNotFoundError for a missing file; ValueError for one that is no `.npy` file, holds another dtype than
    uint8, uint16 or uint32 or more than one dimension, is shorter or longer than its header says, or holds an id that
    is not below `vocab_size`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_tokens(f"{folder}/tokens.npy", range(1000), vocab_size=50_257)
    ...     tokens = open_tokens(f"{folder}/tokens.npy", vocab_size=50_257)
    ...     print(tokens.dtype, len(tokens), tokens[10:13].tolist(), tokens.flags.writeable)
    ...     del tokens  # Windows deletes no file that is still mapped
    uint16 1000 [10, 11, 12] False
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path: there is no token file {path}; write_tokens makes one")
    try:
        tokens = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, OSError) as error:
        with path.open("rb") as file:
            cut = file.read(6) == np.lib.format.MAGIC_PREFIX
        what = "is cut off or damaged" if cut else "has no header: np.memmap reads it if you know its dtype"
        raise ValueError(f"path: a whole .npy file, got {path}, which {what}") from error
    if tokens.dtype not in TOKEN_DTYPES or tokens.ndim != 1 or len(tokens) == 0:
        raise ValueError(
            f"path: one dimension of one or more ids, of uint8, uint16 or uint32, got {path} of shape "
            f"{tokens.shape} of {tokens.dtype}"
        )
    if (found := path.stat().st_size) != (wanted := tokens.offset + tokens.nbytes):
        raise ValueError(f"path: {wanted} bytes, as the header says, got {path}, which is longer: {found} bytes")
    if hasattr(mmap, "MADV_RANDOM"):
        mapping_of(tokens).madvise(mmap.MADV_RANDOM)  # windows lie anywhere: reading ahead would read what nobody wants
    if vocab_size is not None and vocab_size <= np.iinfo(tokens.dtype).max:
        _check_ids(tokens, vocab_size, path)
    return tokens


def _check_ids(tokens: UInt[np.ndarray, "length"], vocab_size: int, path: Path) -> None:
    step = 64 * CHUNK
    for start in range(0, len(tokens), step):
        chunk = tokens[start : start + step]
        if chunk.max() >= vocab_size:
            at = int((chunk >= vocab_size).argmax())
            raise ValueError(
                f"ids[{start + at}] of {path}: 0 to {vocab_size - 1} with vocab_size {vocab_size}, got {chunk[at]}"
            )
        release_pages(tokens)


def encode_documents(documents: Iterable[str], tokenizer: Any, *, progress: bool = False) -> Iterator[int]:
    """The ids of all documents, each followed by `<|endoftext|>`, in constant memory: what write_tokens takes.

    A document that contains the text "<|endoftext|>" is encoded as text: only we end documents. `tokenizer` is a
    `BPETokenizer` (its tiktoken form does the work) or a `tiktoken.Encoding`; `progress` shows a bar that counts.

    Raises ValueError without that special token, and for a document with a lone surrogate, which is no text.

    >>> from lmcourse.tokenization import train_bpe, BPETokenizer
    >>> tokenizer = BPETokenizer(*train_bpe("", 257, ["<|endoftext|>"]), ["<|endoftext|>"])
    >>> list(encode_documents(["Hi", "you"], tokenizer))
    [72, 105, 256, 121, 111, 117, 256]
    """
    encoding = tokenizer.to_tiktoken() if hasattr(tokenizer, "to_tiktoken") else tokenizer
    if "<|endoftext|>" not in encoding.special_tokens_set:
        raise ValueError("tokenizer: one with the special token <|endoftext|>, which ends documents, got one without")
    if isinstance(documents, str):
        raise TypeError(f"documents: an iterable of str, got one str, {got(documents)}")
    end_of_text = encoding.encode_single_token("<|endoftext|>")
    documents = iter(tqdm(documents, unit=" documents", disable=not progress, file=sys.stdout))
    while some := list(islice(documents, 64)):
        for document in some:
            utf8(document, "documents")  # tiktoken would put U+FFFD for a lone surrogate, and say nothing
        for ids in encoding.encode_ordinary_batch(some):
            yield from ids
            yield end_of_text
