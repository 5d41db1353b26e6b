"""Texts, patterns and a small tokenizer that the tests of tokenization share."""

from functools import cache

from hypothesis import strategies as st

from lmcourse.tokenization import CL100K_PATTERN, GPT2_PATTERN, O200K_PATTERN, BPETokenizer, train_bpe

PATTERNS = {"gpt2": GPT2_PATTERN, "cl100k_base": CL100K_PATTERN, "o200k_base": O200K_PATTERN}
END = "<|endoftext|>"
HANDOUT = "low " * 5 + "lower " * 2 + "widest " * 3 + "newest " * 6  # CS336 assignment 1, section 2.4
WORDS = r"\S+"

TRICKY = [
    "", " ", "  ", "a", "\n", "\r\n", "\x00", "a  b", "a \n b", "\t\tb", "don't", "HOW'S", "'re 're're", "x'l l'l'll",
    "12345 678", "  \n\n  x", "a\r\n\r\nb", "e\u0301e", "हिन्दी नमस्ते", "नि’s", "👩‍👩‍👧‍👦 🏳️‍🌈",
    "مرحبا بالعالم", "你好，世界！", "ʕA ʕ's", "\u0378\U0003d000a", "ſ'ſ 'ſ", "\x1c\x1d!\x1f", "\u2028\u2029\x85",
    "Aあ B", "AあB", "!!!\n\n/\n", END, "<|endof", END + END,
]  # fmt: skip

# Text made of what the patterns distinguish, so that short examples meet their corners.
pieces_of_text = [*"aAzéßǅʰあ1९Ⅷ '’.,!/\n\r\t\u3000\u0301ी", "'ll", "'RE", "'s", END, "<|end", "|>", "\U0003d000", "ʕ"]
corners = st.lists(st.sampled_from(pieces_of_text), max_size=12).map("".join)
texts = st.one_of(st.text(), corners, st.sampled_from(TRICKY))
small_texts = st.text(alphabet="aab cdé\n", max_size=60)


@cache
def trained(pattern=GPT2_PATTERN, specials=(END,)):
    text = (HANDOUT + "the cat's hat, 12345 नमस्ते दुनिया 你好 👋 don't we'll\n\n  x = 1\n") * 3
    return BPETokenizer(*train_bpe(text, 400, specials, pattern=pattern), specials, pattern=pattern)
