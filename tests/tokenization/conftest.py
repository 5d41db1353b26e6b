import pytest
from texts import PATTERNS

from lmcourse.tokenization import BPETokenizer, real_encoding


@pytest.fixture(scope="module", params=list(PATTERNS))
def published(request):
    """A published vocabulary, ours and theirs."""
    encoding = real_encoding(request.param)
    if encoding is None:
        pytest.skip(f"{request.param} is neither in TIKTOKEN_CACHE_DIR nor reachable")
    return BPETokenizer.from_tiktoken(encoding), encoding
