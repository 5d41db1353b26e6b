"""One way to ask any tokenizer: the course's, tiktoken's, Hugging Face's, or anything with `encode` and `decode`."""

from lmcourse.tokenization import BPETokenizer, ByteTokenizer


def encode(tokenizer, text: str, special: str) -> list[int]:
    """Ids of `text`; `special` is "all" where special tokens in it become their ids, "none" where they are text.

    >>> encode(ByteTokenizer(), "hé", "all")
    [104, 195, 169]
    """
    if isinstance(tokenizer, BPETokenizer):
        ids = tokenizer.encode(text, allowed_special=special)
    elif hasattr(tokenizer, "decode_single_token_bytes"):  # tiktoken
        ids = tokenizer.encode(text, allowed_special="all" if special == "all" else set(), disallowed_special=())
    else:
        ids = tokenizer.encode(text)
    return [int(i) for i in getattr(ids, "ids", ids)]


def token_bytes(tokenizer, ids: list[int]) -> list[bytes]:
    """The bytes that each of `ids` stands for.

    >>> token_bytes(ByteTokenizer(), [104, 195])
    [b'h', b'\\xc3']
    """
    if isinstance(tokenizer, ByteTokenizer):
        return [bytes([i]) for i in ids]
    if hasattr(tokenizer, "decode_single_token_bytes"):
        return [tokenizer.decode_single_token_bytes(i) for i in ids]
    if hasattr(tokenizer, "decode_bytes"):
        return [tokenizer.decode_bytes([i]) for i in ids]
    return [tokenizer.decode([i]).encode("utf-8") for i in ids]


def special_ids(tokenizer) -> dict[str, int]:
    """The special tokens with their ids, where a tokenizer says which it has.

    >>> special_ids(ByteTokenizer())
    {}
    """
    return getattr(tokenizer, "special_tokens", None) or getattr(tokenizer, "_special_tokens", None) or {}
