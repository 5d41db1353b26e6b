"""What is written is what NumPy reads, whole or not at all; what holds no tokens is refused."""

import multiprocessing
import os
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmcourse.data_loading import (
    checked_chunks,
    encode_documents,
    open_tokens,
    process_memory,
    token_dtype,
    write_header,
    write_tokens,
)
from lmcourse.data_loading.tokens import CHUNK
from lmcourse.support.files import _sync_folder, replacing

MB = 1 << 20


@given(st.integers(1, 2**32), st.data())
def test_numpy_reads_what_was_written(tmp_path_factory, vocab_size, data):
    ids = data.draw(st.lists(st.integers(0, vocab_size - 1), min_size=1, max_size=50))
    path = tmp_path_factory.mktemp("tokens") / "tokens.npy"
    assert write_tokens(path, iter(ids), vocab_size) == len(ids)
    assert np.load(path).tolist() == ids == open_tokens(path, vocab_size=vocab_size).tolist()
    assert np.load(path).dtype == np.min_scalar_type(vocab_size - 1) == token_dtype(vocab_size)


@pytest.mark.parametrize("count", [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_chunks_leave_no_seam_and_the_file_is_what_np_save_makes(tmp_path, count):
    ids = np.random.default_rng(0).integers(0, 50_257, count)
    write_tokens(tmp_path / "list.npy", ids.tolist(), 50_257)
    write_tokens(tmp_path / "array.npy", ids, 50_257)
    np.save(tmp_path / "numpy.npy", ids.astype(np.uint16))
    assert (tmp_path / "list.npy").read_bytes() == (tmp_path / "array.npy").read_bytes()
    assert (np.load(tmp_path / "list.npy") == np.load(tmp_path / "numpy.npy")).all()


def test_writing_takes_constant_memory(tmp_path):
    ids = (i & 0xFFFF for i in range(2_000_000))
    before, peak = process_memory().resident, 0

    def watched():
        nonlocal peak
        for i, token in enumerate(ids):
            if i % 100_000 == 0:
                peak = max(peak, process_memory().resident)
            yield token

    write_tokens(tmp_path / "big.npy", watched(), 65_536)
    assert peak - before < 8 * MB  # the ids as Python ints would take 16 MB for the list alone


@pytest.mark.parametrize(
    ("ids", "error", "words"),
    [
        ([1, 70_000], ValueError, "ids[1]: 0 to 50256 with vocab_size 50257, got 70000"),
        ([-1], ValueError, "ids[0]: 0 to 50256 with vocab_size 50257, got -1"),
        (np.array([1, 50_257]), ValueError, "got 50257"),
        ([2**70], ValueError, "64 bits"),
        ([], ValueError, "ids: one or more, got none"),
        ([1.0], TypeError, "float"),
        (["a"], TypeError, "str"),
        ("text", TypeError, "str"),
        (7, TypeError, "int"),
        (np.zeros((2, 2), dtype=int), TypeError, "got 2 of int64"),
        (np.zeros(3), TypeError, "got 1 of float64"),
        ([*range(50_257), 50_257], ValueError, "ids[50257]: 0 to 50256"),
    ],
)
def test_ids_that_do_not_fit_are_refused_and_the_old_file_stays(tmp_path, ids, error, words):
    path = tmp_path / "tokens.npy"
    write_tokens(path, [1, 2, 3], 50_257)
    before = path.read_bytes()
    with pytest.raises(error) as caught:
        write_tokens(path, ids, 50_257)
    assert words in str(caught.value)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["tokens.npy"]


@pytest.mark.parametrize("vocab_size", [0, -5, 2**32 + 1])
def test_a_vocab_size_without_a_dtype_is_refused(tmp_path, vocab_size):
    with pytest.raises(ValueError, match="vocab_size: 1 to 2"):
        write_tokens(tmp_path / "tokens.npy", [0], vocab_size)
    with pytest.raises(TypeError):
        token_dtype(1.5)


def test_an_iterator_that_fails_in_the_middle_leaves_the_old_file(tmp_path):
    path = tmp_path / "tokens.npy"
    write_tokens(path, [1, 2, 3], 10)

    def failing():
        yield from [4] * 200_000
        assert open_tokens(path).tolist() == [1, 2, 3]  # the old file is there while the new one is written
        raise OSError("the disk with the text is gone")

    with pytest.raises(OSError, match="is gone"):
        write_tokens(path, failing(), 10)
    assert open_tokens(path).tolist() == [1, 2, 3]
    assert [p.name for p in tmp_path.iterdir()] == ["tokens.npy"]


def _content(version, count=60_000):
    return np.full(count + version, version % 251, dtype=np.int64)


def _is_whole(path):
    tokens = open_tokens(path)  # raises where the length is wrong
    version = int(tokens[0])
    return (len(tokens) - 60_000) % 251 == version and bool((tokens == version).all())


def _die_at_line(path, line, version):
    """End this process, as a power cut would, when write_tokens is about to run its line-th line."""
    count = 0
    wanted = {f.__code__ for f in (write_tokens, write_header, checked_chunks, replacing.__wrapped__, _sync_folder)}

    def trace(frame, event, _):
        nonlocal count
        if frame.f_code in wanted:
            count += event == "line"
            if count == line:
                os._exit(7)
        return trace

    sys.settrace(trace)
    write_tokens(path, _content(version), 251)
    sys.settrace(None)
    os._exit(0)


CONTEXT = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")


def test_a_writer_killed_before_any_line_leaves_the_old_file_or_the_new(tmp_path):
    path = tmp_path / "tokens.npy"
    write_tokens(path, _content(1), 251)
    old, seen = path.read_bytes(), []
    for line in range(1, 200 if sys.platform == "linux" else 10):
        write_tokens(path, _content(1), 251)
        writer = CONTEXT.Process(target=_die_at_line, args=(path, line, 2))
        writer.start()
        writer.join()
        assert _is_whole(path)
        seen.append(path.read_bytes() == old)
        if writer.exitcode == 0:
            break
    if sys.platform == "linux":
        assert writer.exitcode == 0, "write_tokens has more lines than were tried"
        assert seen == sorted(seen, reverse=True) and True in seen and False in seen  # old up to a line, then new


def _raw(path):
    np.arange(100, dtype=np.uint16).tofile(path)


def _truncated(path):
    write_tokens(path, range(1000), 50_257)
    path.write_bytes(path.read_bytes()[:-1])


def _too_long(path):
    write_tokens(path, range(1000), 50_257)
    path.write_bytes(path.read_bytes() + b"\0")


def _cut_header(path):
    write_tokens(path, range(1000), 50_257)
    path.write_bytes(path.read_bytes()[:100])


def _hostile_header(path):
    write_tokens(path, range(1000), 50_257)
    path.write_bytes(path.read_bytes().replace(b"'<u2'", b"exec "))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_raw, "which has no header"),
        (lambda path: path.write_bytes(b""), "a whole .npy file, got"),
        (lambda path: path.write_bytes(b"PK\x03\x04 a zip file, or a .npz"), "a whole .npy file, got"),
        (_truncated, "which is cut off or damaged"),
        (_too_long, "which is longer: 2129 bytes"),
        (_cut_header, "which is cut off or damaged"),
        (_hostile_header, "which is cut off or damaged"),
        (lambda path: np.save(path, np.zeros(10)), "float64"),
        (lambda path: np.save(path, np.zeros(10, dtype=np.int32)), "int32"),
        (lambda path: np.save(path, np.zeros(10, dtype=">u2")), ">u2"),
        (lambda path: np.save(path, np.zeros((2, 5), dtype=np.uint16)), "(2, 5)"),
        (lambda path: np.save(path, np.zeros(0, dtype=np.uint16)), "(0,)"),
        (lambda path: np.save(path, np.array([{}], dtype=object), allow_pickle=True), "a whole .npy file, got"),
    ],
)
def test_a_file_that_holds_no_tokens_is_refused_in_words(tmp_path, make, words):
    path = tmp_path / "file.npy"
    make(path)
    with pytest.raises(ValueError) as caught:
        open_tokens(path)
    assert words in str(caught.value) and "file.npy" in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.npy", tmp_path):
        with pytest.raises(FileNotFoundError, match="there is no token file"):
            open_tokens(path)


def test_ids_beyond_the_vocabulary_are_found_before_any_training(tmp_path):
    ids = np.zeros(5_000_000, dtype=np.uint16)
    ids[4_500_000] = 300
    np.save(tmp_path / "tokens.npy", ids)
    open_tokens(tmp_path / "tokens.npy", vocab_size=301)
    with pytest.raises(ValueError, match=r"ids\[4500000\] of .*: 0 to 299 with vocab_size 300, got 300"):
        open_tokens(tmp_path / "tokens.npy", vocab_size=300)


def test_what_is_opened_cannot_be_written(tmp_path):
    write_tokens(tmp_path / "tokens.npy", range(10), 256)
    with pytest.raises(ValueError, match="read-only"):
        open_tokens(tmp_path / "tokens.npy")[0] = 1


def _gpt2():
    import tiktoken

    try:
        return tiktoken.get_encoding("gpt2")
    except Exception as error:
        pytest.skip(f"tiktoken's gpt2 is neither cached nor reachable: {error}")


def test_documents_are_encoded_as_tiktoken_does_and_each_is_ended():
    encoding = _gpt2()
    documents = ["Hello, 🌍!", "", "<|endoftext|> is text here", "x" * 5000] + [f"document {i}" for i in range(200)]
    want = [i for d in documents for i in [*encoding.encode_ordinary(d), encoding.eot_token]]
    assert list(encode_documents(iter(documents), encoding)) == want
    assert want.count(encoding.eot_token) == len(documents)


def test_documents_from_our_own_tokenizer():
    from lmcourse.tokenization import BPETokenizer, train_bpe

    text = "the cat in the hat " * 20
    tokenizer = BPETokenizer(*train_bpe(text, 270, ["<|endoftext|>"]), ["<|endoftext|>"])
    (end,) = tokenizer.encode("<|endoftext|>")
    want = [i for d in ("the cat", "in the hat") for i in [*tokenizer.encode(d, allowed_special="none"), end]]
    assert list(encode_documents(["the cat", "in the hat"], tokenizer)) == want
    with pytest.raises(ValueError, match="endoftext"):
        next(encode_documents(["a"], BPETokenizer(*train_bpe(text, 270))))
    with pytest.raises(TypeError, match="got one str"):
        next(encode_documents("a document", tokenizer))


@pytest.mark.parametrize("place", [0, 70])
def test_a_document_that_is_no_text_is_named_and_not_replaced(place):
    documents = ["text"] * place + ["half a pair: \ud83d", "text"]
    with pytest.raises(ValueError, match=r"documents: .*the lone surrogate '\\ud83d'"):
        list(encode_documents(documents, _gpt2()))
