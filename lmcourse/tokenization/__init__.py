"""Tokenization: from text to integers and back, with byte-pair encoding as the heart of it.

All names of the topic are here; they are told in five modules, in this order:

- `pretokens`: cut the text into the pieces that are never merged across.
- `bpe`: learn merges and apply them, in plain, as you write it.
- `trainer`: learn the same merges fast.
- `tokenizer`: the tokenizer that applies them, with ids equal to tiktoken's.
- `compare`: three tokenizers with a fatal flaw each, and the real ones.
"""

from lmcourse.tokenization.bpe import (
    GPT2_BYTE_ORDER,
    TIES,
    Pair,
    best_pair,
    check_training,
    count_pairs,
    decode,
    encode,
    merge_pair,
    merge_round,
    train_bpe_naive,
)
from lmcourse.tokenization.compare import (
    ByteTokenizer,
    CharacterTokenizer,
    WordTokenizer,
    as_gpt2_ids,
    compression_ratio,
    docs_tokenizer,
    gpt2_merges,
    real_encoding,
    real_encodings,
    seconds,
    train_huggingface,
)
from lmcourse.tokenization.pretokens import (
    CL100K_PATTERN,
    GPT2_PATTERN,
    O200K_PATTERN,
    Source,
    count_pretokens,
    pretokenize,
)
from lmcourse.tokenization.tokenizer import BPETokenizer
from lmcourse.tokenization.trainer import train_bpe, train_trace, training_work
