"""The sizes that decide what a Transformer costs: of a model of yours, and of released ones."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING

from lmcourse.support.checks import got, number, one_of, whole

if TYPE_CHECKING:
    from lmcourse.model import ModelConfig


def require_positive(**named: float) -> None:
    """Raise `ValueError` for the first argument that is not a finite number above zero.

    >>> require_positive(params=7e9, tokens=0)
    Traceback (most recent call last):
        ...
    ValueError: tokens: a finite number above 0, got 0
    """
    for name, value in named.items():
        if number(name, value) <= 0:
            raise ValueError(f"{name}: a finite number above 0, got {got(value)}")


@dataclass(frozen=True)
class TransformerShape:
    """The sizes that decide what a decoder-only Transformer costs.

    `ModelConfig` describes the model that this course trains; this describes published ones too: a feed-forward
    network of two matrices (`gated=False`, as in GPT-2) or three, LayerNorm or RMSNorm, learned or rotary positions,
    biases everywhere or on Q, K, V only, heads of a width that is not d_model / num_heads, norms on Q and K.

    >>> TransformerShape(256, 64, d_model=128, num_layers=4, num_heads=4, d_ff=344).d_head
    32
    """

    vocab_size: int
    context_length: int
    d_model: int
    num_layers: int
    num_heads: int
    d_ff: int
    num_kv_heads: int | None = None
    d_head: int | None = None
    gated: bool = True
    norm: str = "rmsnorm"
    positions: str = "rope"
    bias: bool = False
    qkv_bias: bool = False
    qk_norm: bool = False
    tie_embeddings: bool = False

    def __post_init__(self) -> None:
        if self.num_kv_heads is None:
            object.__setattr__(self, "num_kv_heads", self.num_heads)
        if self.d_head is None:
            object.__setattr__(self, "d_head", self.d_model // self.num_heads)
        for field in fields(self)[:8]:  # the sizes, NumPy's integers among them, which would wrap in a product
            object.__setattr__(self, field.name, whole(field.name, getattr(self, field.name), least=1))
        if self.num_heads % self.num_kv_heads:
            raise ValueError(f"num_kv_heads: a divisor of num_heads = {self.num_heads}, got {self.num_kv_heads}")
        one_of("norm", self.norm, ("rmsnorm", "layernorm"))
        one_of("positions", self.positions, ("rope", "learned"))


def shape_of(config: ModelConfig | TransformerShape) -> TransformerShape:
    """A `ModelConfig` as a `TransformerShape`; a `TransformerShape` is returned as it is.

    Raises `TypeError` for what is neither.

    >>> from lmcourse.model import ModelConfig
    >>> shape = shape_of(ModelConfig(256, 64, d_model=128, num_layers=4, num_heads=4, d_ff=344, qk_norm=True))
    >>> shape.d_head, shape.gated, shape.qk_norm
    (32, True, True)
    """
    if isinstance(config, TransformerShape):
        return config
    if not is_dataclass(config):
        raise TypeError(f"config: a ModelConfig or a TransformerShape, got {got(config)}")
    shared = {field.name for field in fields(TransformerShape)} & {field.name for field in fields(config)}
    return TransformerShape(**{name: getattr(config, name) for name in shared})


@dataclass(frozen=True)
class Published:
    """A released model: its shape, the parameter count that its makers' files hold, and where both can be read.

    >>> from lmcourse.flops import PUBLISHED, transformer_params
    >>> gpt2 = PUBLISHED["GPT-2"]
    >>> sum(transformer_params(gpt2.shape).values()) == gpt2.params
    True
    """

    shape: TransformerShape
    params: int
    source: str


def _gpt2(d_model: int, num_layers: int, num_heads: int) -> TransformerShape:
    old = {"gated": False, "norm": "layernorm", "positions": "learned", "bias": True, "tie_embeddings": True}
    return TransformerShape(50257, 1024, d_model, num_layers, num_heads, 4 * d_model, **old)


_SHAPE = TransformerShape
PUBLISHED: dict[str, Published] = {
    "GPT-2": Published(_gpt2(768, 12, 12), 124_439_808, "openai-community/gpt2 (Radford 2019)"),
    "GPT-2 XL": Published(_gpt2(1600, 48, 25), 1_557_611_200, "openai-community/gpt2-xl (Radford 2019)"),
    "SmolLM2 135M": Published(
        _SHAPE(49152, 8192, 576, 30, 9, 1536, 3, tie_embeddings=True), 134_515_008, "HuggingFaceTB/SmolLM2-135M"
    ),
    "Qwen2.5 0.5B": Published(
        _SHAPE(151936, 32768, 896, 24, 14, 4864, 2, qkv_bias=True, tie_embeddings=True),
        494_032_768,
        "Qwen/Qwen2.5-0.5B (arXiv 2412.15115)",
    ),
    "Qwen3 0.6B": Published(
        _SHAPE(151936, 40960, 1024, 28, 16, 3072, 8, 128, qk_norm=True, tie_embeddings=True),
        596_049_920,
        "Qwen/Qwen3-0.6B (arXiv 2505.09388)",
    ),
    "Llama 2 7B": Published(
        _SHAPE(32000, 4096, 4096, 32, 32, 11008), 6_738_415_616, "meta-llama/Llama-2-7b (arXiv 2307.09288)"
    ),
    "Mistral 7B": Published(
        _SHAPE(32000, 8192, 4096, 32, 32, 14336, 8), 7_241_732_096, "mistralai/Mistral-7B-v0.1 (arXiv 2310.06825)"
    ),
    "Llama 3 8B": Published(
        _SHAPE(128256, 8192, 4096, 32, 32, 14336, 8), 8_030_261_248, "meta-llama/Meta-Llama-3-8B (arXiv 2407.21783)"
    ),
    "Qwen3 8B": Published(
        _SHAPE(151936, 40960, 4096, 36, 32, 12288, 8, 128, qk_norm=True), 8_190_735_360, "Qwen/Qwen3-8B"
    ),
    "Llama 3 70B": Published(
        _SHAPE(128256, 8192, 8192, 80, 64, 28672, 8), 70_553_706_496, "meta-llama/Meta-Llama-3-70B (arXiv 2407.21783)"
    ),
    "Llama 3.1 405B": Published(
        _SHAPE(128256, 131072, 16384, 126, 128, 53248, 8),
        405_853_388_800,
        "meta-llama/Llama-3.1-405B (arXiv 2407.21783)",
    ),
}
