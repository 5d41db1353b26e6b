"""How many FLOPs, days and bytes a training run takes, counted before it starts.

FLOPs are an amount, FLOP/s a rate. A multiply and an add are two FLOPs. Everything here is arithmetic on sizes: the
FLOPs and the parameters of a Transformer part by part, what a step keeps in memory part by part, model FLOPs
utilisation under five conventions, and the roofline. PyTorch is needed by `trace_costs` alone.

Not here: communication between devices, pipeline bubbles, mixture of experts; elementwise work is counted in the
roofline's costs and, as everywhere in the field, left out of the FLOPs of a model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmcourse.model import ModelConfig

SECONDS_PER_DAY = 86_400


def require_positive(**named: float) -> None:
    """Raise `ValueError` for the first argument that is not a finite number above zero.

    >>> require_positive(params=7e9, tokens=0)
    Traceback (most recent call last):
        ...
    ValueError: tokens: a finite number above 0, got 0
    """
    for name, value in named.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 < value < math.inf:
            raise ValueError(f"{name}: a finite number above 0, got {value!r}")


# --- shapes --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
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
        sizes = ("vocab_size", "context_length", "d_model", "num_layers", "num_heads", "d_ff")
        require_positive(**{name: getattr(self, name) for name in sizes})
        if self.num_kv_heads is None:
            object.__setattr__(self, "num_kv_heads", self.num_heads)
        if self.d_head is None:
            object.__setattr__(self, "d_head", self.d_model // self.num_heads)
        require_positive(num_kv_heads=self.num_kv_heads, d_head=self.d_head)
        if self.num_heads % self.num_kv_heads:
            raise ValueError(f"num_kv_heads: a divisor of num_heads = {self.num_heads}, got {self.num_kv_heads}")
        if self.norm not in ("rmsnorm", "layernorm"):
            raise ValueError(f"norm: 'rmsnorm' or 'layernorm', got {self.norm!r}")
        if self.positions not in ("rope", "learned"):
            raise ValueError(f"positions: 'rope' or 'learned', got {self.positions!r}")

    def __repr__(self) -> str:
        usual = {"num_kv_heads": self.num_heads, "d_head": self.d_model // self.num_heads}
        usual |= {field.name: field.default for field in fields(self) if field.name not in usual}
        shown = [f"{name}={getattr(self, name)!r}" for name in usual if getattr(self, name) != usual[name]]
        sizes = [f"{field.name}={getattr(self, field.name)}" for field in fields(self)[:6]]
        return f"TransformerShape({', '.join(sizes + [each for each in shown if each not in sizes])})"


def shape_of(config: ModelConfig | TransformerShape) -> TransformerShape:
    """A `ModelConfig` as a `TransformerShape`; a `TransformerShape` is returned as it is.

    Raises `TypeError` for what is neither.

    >>> from lmcourse.model import ModelConfig
    >>> shape_of(ModelConfig(256, 64, d_model=128, num_layers=4, num_heads=4, d_ff=344, qk_norm=True))
    TransformerShape(vocab_size=256, context_length=64, d_model=128, num_layers=4, num_heads=4, d_ff=344, qk_norm=True)
    """
    if isinstance(config, TransformerShape):
        return config
    names = ("vocab_size", "context_length", "d_model", "num_layers", "num_heads", "d_ff", "num_kv_heads")
    if not all(hasattr(config, name) for name in (*names, "qk_norm", "tie_embeddings")):
        raise TypeError(f"config: a ModelConfig or a TransformerShape, got {type(config).__name__}")
    sizes, options = (getattr(config, name) for name in names), ("qk_norm", "tie_embeddings")
    return TransformerShape(*sizes, **{name: getattr(config, name) for name in options})


@dataclass(frozen=True)
class Published:
    """A released model: its shape, the parameter count that its makers' files hold, and where both can be read.

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


# --- FLOPs ---------------------------------------------------------------------------------------------------------


def matmul_flops(m: int, k: int, n: int) -> int:
    """FLOPs of an (m × k) times (k × n) product: one multiply and one add for each of the m · n · k products.

    Raises `ValueError` for a size that is not above zero.

    >>> matmul_flops(2, 3, 4)
    48
    """
    require_positive(m=m, k=k, n=n)
    return 2 * m * k * n


def transformer_flops(
    config: ModelConfig | TransformerShape, batch: int, seq: int, *, causal: bool = False
) -> dict[str, int]:
    """FLOPs of one forward pass over `batch` sequences of `seq` tokens, part by part; the parts sum to the total.

    `projections` are Q, K, V and the output, `attention` is scores and mixing, `ffn` the feed-forward network, `head`
    the logits. `causal` counts the seq · (seq + 1) / 2 pairs that the mask allows instead of all seq² (a plain matmul
    computes them all). Grouped-query attention makes `projections` cheaper, not `attention`.

    >>> shape = TransformerShape(50257, 1024, d_model=1600, num_layers=48, num_heads=25, d_ff=6400)
    >>> f"{sum(transformer_flops(shape, batch=1, seq=1024).values()):.3e}"
    '4.513e+12'
    """
    require_positive(batch=batch, seq=seq)
    shape, tokens = shape_of(config), batch * seq
    query, key_value = shape.num_heads * shape.d_head, shape.num_kv_heads * shape.d_head
    pairs = seq * (seq + 1) // 2 if causal else seq * seq
    layer = {
        "projections": matmul_flops(tokens, shape.d_model, 2 * query + 2 * key_value),
        "attention": 2 * (batch * shape.num_heads) * matmul_flops(pairs, shape.d_head, 1),
        "ffn": (3 if shape.gated else 2) * matmul_flops(tokens, shape.d_model, shape.d_ff),
    }
    parts = {name: shape.num_layers * flops for name, flops in layer.items()}
    return parts | {"head": matmul_flops(tokens, shape.d_model, shape.vocab_size)}


def transformer_params(config: ModelConfig | TransformerShape) -> dict[str, int]:
    """Parameters part by part; the parts sum to `sum(p.numel() for p in model.parameters())`.

    A tied head counts 0: it is the embedding again.

    >>> sum(transformer_params(PUBLISHED["GPT-2"].shape).values())
    124439808
    """
    shape = shape_of(config)
    d, layers = shape.d_model, shape.num_layers
    query, key_value = shape.num_heads * shape.d_head, shape.num_kv_heads * shape.d_head
    qkv_bias = query + 2 * key_value if shape.bias or shape.qkv_bias else 0
    ffn_bias = (2 * shape.d_ff if shape.gated else shape.d_ff) + d if shape.bias else 0
    norm = d if shape.norm == "rmsnorm" else 2 * d
    attention = d * (2 * query + 2 * key_value) + qkv_bias + (d if shape.bias else 0)
    return {
        "embedding": shape.vocab_size * d,
        "positions": shape.context_length * d if shape.positions == "learned" else 0,
        "attention": layers * (attention + (2 * shape.d_head if shape.qk_norm else 0)),
        "ffn": layers * ((3 if shape.gated else 2) * d * shape.d_ff + ffn_bias),
        "norms": (2 * layers + 1) * norm,
        "head": 0 if shape.tie_embeddings else shape.vocab_size * d,
    }


def training_flops(params: float, tokens: float) -> float:
    """6 · N · D: 2 FLOPs a parameter and token forward, 4 backward. To first order: no attention scores.

    >>> f"{training_flops(70e9, 15e12):.1e}"
    '6.3e+24'
    """
    require_positive(params=params, tokens=tokens)
    return 6 * params * tokens


def training_days(params: float, tokens: float, devices: int, peak_flop_per_s: float, mfu: float) -> float:
    """Days that a run of 6 · N · D FLOPs takes on `devices` chips of `peak_flop_per_s` each at utilisation `mfu`.

    Raises `ValueError` for a number that is not above zero, and for `mfu` above 1.

    >>> round(training_days(70e9, 15e12, devices=1024, peak_flop_per_s=989.5e12, mfu=0.5), 1)
    143.9
    """
    require_positive(devices=devices, peak_flop_per_s=peak_flop_per_s, mfu=mfu)
    if mfu > 1:
        raise ValueError(f"mfu: a share between 0 and 1, got {mfu}")
    return training_flops(params, tokens) / (devices * peak_flop_per_s * mfu) / SECONDS_PER_DAY


def mfu(flops_per_token: float, tokens_per_s: float, peak_flop_per_s: float | None, devices: int = 1) -> float | None:
    """Model FLOPs utilisation: the share of the peak that the model's own FLOPs reach (PaLM, arXiv 2204.02311, app. B).

    FLOPs that are computed twice, as activation checkpointing does, count once. `None` when the peak is unknown.

    >>> mfu(flops_per_token=6e9, tokens_per_s=50_000, peak_flop_per_s=989.4e12)
    0.30321406913280774
    >>> mfu(6e9, 50_000, None) is None
    True
    """
    require_positive(flops_per_token=flops_per_token, tokens_per_s=tokens_per_s, devices=devices)
    if peak_flop_per_s is None:
        return None
    require_positive(peak_flop_per_s=peak_flop_per_s)
    return flops_per_token * tokens_per_s / (devices * peak_flop_per_s)


CONVENTIONS: dict[str, str] = {
    "6N": "six FLOPs for every parameter, embeddings and norms included",
    "PaLM": "6N + 12·layers·heads·d_head·seq, N without position embeddings (nanoGPT)",
    "matmuls": "three times the forward matmuls, every pair of positions",
    "causal": "three times the forward matmuls, only pairs that the mask allows",
    "Kaplan": "six FLOPs for every parameter outside the embeddings and the head",
}


def flops_per_token(config: ModelConfig | TransformerShape, seq: int) -> dict[str, float]:
    """Training FLOPs a token (forward and backward) under the five conventions of `CONVENTIONS`.

    They are five answers to "what counts": a logged MFU means nothing until its convention is named.

    >>> {name: f"{flops:.3g}" for name, flops in flops_per_token(PUBLISHED["GPT-2"].shape, 1024).items()}
    {'6N': '7.47e+08', 'PaLM': '8.55e+08', 'matmuls': '8.54e+08', 'causal': '7.98e+08', 'Kaplan': '5.1e+08'}
    """
    require_positive(seq=seq)
    shape, params = shape_of(config), transformer_params(config)
    total = sum(params.values())
    scores = 12 * shape.num_layers * shape.num_heads * shape.d_head * seq
    return {
        "6N": 6 * total,
        "PaLM": 6 * (total - params["positions"]) + scores,
        "matmuls": 3 * sum(transformer_flops(shape, 1, seq).values()) / seq,
        "causal": 3 * sum(transformer_flops(shape, 1, seq, causal=True).values()) / seq,
        "Kaplan": 6 * (params["attention"] + params["ffn"] + params["norms"]),
    }


def compute_optimal(flops: float, tokens_per_parameter: float = 20.0) -> tuple[float, float]:
    """Parameters N and tokens D with 6 · N · D = `flops` and D = `tokens_per_parameter` · N.

    Twenty tokens a parameter is what Hoffmann et al. found best for the loss at a fixed budget (arXiv 2203.15556).

    >>> params, tokens = compute_optimal(5.76e23)  # Chinchilla's own budget
    >>> f"{params:.2g} parameters, {tokens:.2g} tokens"
    '6.9e+10 parameters, 1.4e+12 tokens'
    """
    require_positive(flops=flops, tokens_per_parameter=tokens_per_parameter)
    params = math.sqrt(flops / (6 * tokens_per_parameter))
    return params, tokens_per_parameter * params


# --- memory --------------------------------------------------------------------------------------------------------

RECIPES: dict[str, dict[str, int]] = {
    "fp32": {"parameters": 4, "gradients": 4, "master_copy": 0, "moment": 4, "activation": 4},
    "mixed": {"parameters": 2, "gradients": 2, "master_copy": 4, "moment": 4, "activation": 2},
    "mixed, fp32 gradients": {"parameters": 2, "gradients": 4, "master_copy": 4, "moment": 4, "activation": 2},
    "no master copy": {"parameters": 2, "gradients": 2, "master_copy": 0, "moment": 4, "activation": 2},
    "pure bf16": {"parameters": 2, "gradients": 2, "master_copy": 0, "moment": 2, "activation": 2},
}
MOMENTS = {"sgd": 0, "momentum": 1, "adamw": 2}  # numbers that the optimizer keeps for each parameter
SHARDING = ("none", "optimizer", "gradients", "parameters")  # ZeRO stages 0 to 3 (arXiv 1910.02054)


def memory_bytes_per_parameter(recipe: str = "mixed", optimizer: str = "adamw") -> dict[str, int]:
    """Bytes that each parameter costs before any data comes in; the parts sum to the total.

    `recipe` is a key of `RECIPES`, `optimizer` one of `MOMENTS`. Raises `ValueError` for another name.

    >>> memory_bytes_per_parameter("mixed")
    {'parameters': 2, 'gradients': 2, 'master_copy': 4, 'optimizer_state': 8}
    >>> {recipe: sum(memory_bytes_per_parameter(recipe).values()) for recipe in ("fp32", "mixed", "no master copy")}
    {'fp32': 16, 'mixed': 16, 'no master copy': 12}
    """
    if recipe not in RECIPES:
        raise ValueError(f"recipe: {recipe!r} is not one of {', '.join(RECIPES)}")
    if optimizer not in MOMENTS:
        raise ValueError(f"optimizer: {optimizer!r} is not one of {', '.join(MOMENTS)}")
    sizes = RECIPES[recipe]
    state = {"optimizer_state": MOMENTS[optimizer] * sizes["moment"]}
    return {name: sizes[name] for name in ("parameters", "gradients", "master_copy")} | state


def max_parameters(devices: int, memory_bytes: float, bytes_per_parameter: float = 16) -> float:
    """The most parameters whose training state fits when it is split over all devices, with no room for activations.

    >>> f"{max_parameters(8, 80e9):.3g}, {max_parameters(8, 80e9, 12):.3g}"
    '4e+10, 5.33e+10'
    """
    require_positive(devices=devices, memory_bytes=memory_bytes, bytes_per_parameter=bytes_per_parameter)
    return devices * memory_bytes / bytes_per_parameter


def activation_bytes(
    config: ModelConfig | TransformerShape,
    batch: int,
    seq: int,
    *,
    element_bytes: int = 4,
    fused_attention: bool = False,
    checkpoint: bool = False,
) -> dict[str, float]:
    """Bytes that the forward pass keeps for the backward pass, part by part, as `lmcourse.model` keeps them.

    Every number that a backward formula needs is kept: the inputs of the norms, of the matmuls and of the products,
    and in plain attention two seq × seq tables a head (exp(scores) and the shares), which fused attention never
    stores. `checkpoint` keeps each block's input, and the inside of one block while it is computed again. The loss
    keeps two fp32 numbers for every logit, whatever `element_bytes` is.

    Korthikanti et al. (arXiv 2205.05198) count sbh(34 + 5as/h) bytes for a 16-bit GPT layer with dropout;
    without its masks that is 32 + 4as/h with our two tables, which is what this function gives for GPT-2's block.

    >>> parts = activation_bytes(PUBLISHED["GPT-2"].shape, batch=12, seq=1024, element_bytes=2)
    >>> f"{parts['logits'] / 1e9:.2f} GB of logits"
    '2.47 GB of logits'
    """
    require_positive(batch=batch, seq=seq, element_bytes=element_bytes)
    shape, tokens = shape_of(config), batch * seq
    d, query = shape.d_model, shape.num_heads * shape.d_head
    key_value = shape.num_kv_heads * shape.d_head if fused_attention else query  # plain attention repeats them
    norm = 3 * d if shape.norm == "rmsnorm" else 2 * d  # input, output, and for our RMSNorm the value before the gain
    tables = query + shape.num_heads if fused_attention else 2 * shape.num_heads * seq
    normed_heads = (shape.num_heads + shape.num_kv_heads) * shape.d_head if shape.qk_norm else 0
    block = {
        "norms": 2 * norm + 2 * normed_heads,  # of q and k the input, and the value before the gain
        "attention": query + 2 * key_value + query,  # q, k, v and the mixed values
        "scores": tables,
        "ffn": (5 if shape.gated else 2) * shape.d_ff,
    }
    layers = 1 if checkpoint else shape.num_layers
    kept = {name: layers * elements for name, elements in block.items()}
    kept["block_inputs"] = shape.num_layers * d if checkpoint else 0
    kept["norms"] += norm  # the final one
    parts = {name: element_bytes * tokens * elements for name, elements in kept.items()}
    return parts | {"logits": 4 * tokens * shape.vocab_size, "loss": 4 * tokens * shape.vocab_size}


def training_memory(
    config: ModelConfig | TransformerShape,
    batch: int,
    seq: int,
    *,
    recipe: str = "mixed",
    optimizer: str = "adamw",
    fused_attention: bool = True,
    checkpoint: bool = False,
    sharding: str = "none",
    devices: int = 1,
) -> dict[str, float]:
    """Bytes on one device when everything that a training step needs is there at once, part by part.

    `batch` is the micro-batch of this device: gradient accumulation makes a step larger, not this number. `sharding`
    splits over `devices` the optimizer's state and master copy ("optimizer"), also the gradients ("gradients"), also
    the parameters ("parameters"): ZeRO stages 1 to 3. `memory_timeline` says when what is there.

    >>> parts = training_memory(PUBLISHED["GPT-2"].shape, batch=4, seq=1024)
    >>> {name: round(size / 1e9, 2) for name, size in parts.items()}  # doctest: +NORMALIZE_WHITESPACE
    {'parameters': 0.25, 'gradients': 0.25, 'master_copy': 0.5, 'optimizer_state': 1.0, 'activations': 1.3,
     'logits': 2.47}
    """
    require_positive(devices=devices)
    if sharding not in SHARDING:
        raise ValueError(f"sharding: {sharding!r} is not one of {', '.join(SHARDING)}")
    per_parameter = memory_bytes_per_parameter(recipe, optimizer)
    params, stage = sum(transformer_params(config).values()), SHARDING.index(sharding)
    sharded_from = {"optimizer_state": 1, "master_copy": 1, "gradients": 2, "parameters": 3}
    parts = {
        name: params * size / (devices if stage >= sharded_from[name] else 1) for name, size in per_parameter.items()
    }
    element_bytes = RECIPES[recipe]["activation"]
    kept = activation_bytes(
        config, batch, seq, element_bytes=element_bytes, fused_attention=fused_attention, checkpoint=checkpoint
    )
    logits = kept.pop("logits") + kept.pop("loss")
    gradient_of_logits = logits / 2
    return parts | {"activations": sum(kept.values()), "logits": logits + gradient_of_logits}


def memory_timeline(
    config: ModelConfig | TransformerShape,
    batch: int,
    seq: int,
    *,
    first_step: bool = False,
    accumulate: bool = False,
    **options: Any,
) -> list[dict[str, float | str]]:
    """What lives when: one record for each moment of a step, with the parts of `training_memory`.

    Forward, block by block, activations pile up; the loss adds the logits; backward, block by block, activations go
    and gradients come; the optimizer steps. In the `first_step` the optimizer has no state until it steps. With
    `accumulate` the gradients of an earlier micro-batch are there from the start. `options` are `training_memory`'s.

    >>> moments = memory_timeline(PUBLISHED["GPT-2"].shape, batch=4, seq=1024)
    >>> len(moments), max(moments, key=lambda moment: moment["activations"] + moment["logits"])["moment"]
    (27, 'loss')
    """
    parts = training_memory(config, batch, seq, **options)
    shape, params = shape_of(config), transformer_params(config)
    layers, total = shape.num_layers, sum(params.values())
    checkpoint, plain = options.get("checkpoint", False), not options.get("fused_attention", True)
    token_bytes = RECIPES[options.get("recipe", "mixed")]["activation"] * batch * seq  # of one number for every token

    final_norm = token_bytes * shape.d_model * (3 if shape.norm == "rmsnorm" else 2)
    inputs = layers * token_bytes * shape.d_model if checkpoint else 0
    inside = (parts["activations"] - final_norm - inputs) / (1 if checkpoint else layers)  # of one block
    kept = token_bytes * shape.d_model if checkpoint else inside  # by one block, once its forward pass is over
    # Backward inside a block: three tensors as wide as d_ff, or four seq × seq tables once the FFN's tensors are gone.
    ffn_kept = (5 if shape.gated else 2) * shape.d_ff
    tables = 4 * shape.num_heads * seq if plain else 0
    working = token_bytes * max(3 * shape.d_ff, tables - ffn_kept) + (inside if checkpoint else 0)

    head_share = params["head"] / total
    block_share = (params["attention"] + params["ffn"]) / layers / total  # of the gradients; embeddings come last
    moments: list[dict[str, float | str]] = []

    def record(moment: str, activations: float, logits: float, gradients: float, stepped: bool = False) -> None:
        now = {name: parts[name] for name in ("parameters", "master_copy")}
        now["gradients"] = parts["gradients"] * (1 if accumulate else gradients)
        now["optimizer_state"] = parts["optimizer_state"] if stepped or not first_step else 0
        moments.append({"moment": moment, **now, "activations": activations, "logits": logits})

    for block in range(1, layers + 1):
        record(f"forward {block}", block * kept, 0, 0)
    record("loss", layers * kept + final_norm, parts["logits"], 0)
    for block in range(layers, 0, -1):
        record(f"backward {block}", block * kept + working, 0, head_share + (layers - block) * block_share)
    record("gradients", 0, 0, 1)
    record("step", 0, 0, 1, stepped=True)
    return moments


# --- the roofline --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """What an operation computes, in FLOPs, and what it moves between memory and chip, in bytes.

    >>> matmul_cost(1024, 1024, 1024).intensity, elementwise_cost(1024).intensity  # FLOPs a byte
    (341.3333333333333, 0.25)
    """

    flops: float
    bytes: float

    @property
    def intensity(self) -> float:
        """FLOPs a byte."""
        return arithmetic_intensity(self.flops, self.bytes)


def arithmetic_intensity(flops: float, bytes_moved: float) -> float:
    """FLOPs for every byte that is read or written.

    >>> arithmetic_intensity(matmul_flops(1024, 1024, 1024), 3 * 1024**2 * 2)  # n / 3 in 16 bits
    341.3333333333333
    """
    require_positive(bytes_moved=bytes_moved)
    if flops < 0:
        raise ValueError(f"flops: 0 or more, got {flops}")
    return flops / bytes_moved


def ridge_point(peak_flop_per_s: float, bytes_per_s: float) -> float:
    """The intensity at which a chip's arithmetic and its memory take equally long; below it, memory decides.

    >>> round(ridge_point(989.4e12, 3.35e12))
    295
    """
    require_positive(peak_flop_per_s=peak_flop_per_s, bytes_per_s=bytes_per_s)
    return peak_flop_per_s / bytes_per_s


def roofline_flop_per_s(intensity: float, peak_flop_per_s: float, bytes_per_s: float) -> float:
    """The rate that an operation of this intensity can reach at best: the lower of the two ceilings.

    >>> f"{roofline_flop_per_s(1.0, 989.4e12, 3.35e12):.3g}"  # a matrix-vector product on an H100
    '3.35e+12'
    """
    require_positive(peak_flop_per_s=peak_flop_per_s, bytes_per_s=bytes_per_s)
    return min(peak_flop_per_s, intensity * bytes_per_s)


def matmul_cost(m: int, k: int, n: int, element_bytes: int = 2) -> Cost:
    """Cost of a product whose three matrices cross the memory bus once each.

    >>> round(matmul_cost(1, 4096, 4096).intensity, 2)  # a vector times a matrix
    1.0
    """
    require_positive(element_bytes=element_bytes)
    return Cost(matmul_flops(m, k, n), element_bytes * (m * k + k * n + m * n))


def elementwise_cost(numel: int, flops_per_element: float = 1, inputs: int = 1, element_bytes: int = 2) -> Cost:
    """Cost of an operation that reads `inputs` tensors and writes one, all of `numel` elements.

    >>> elementwise_cost(10**6).intensity, elementwise_cost(10**6, flops_per_element=20).intensity  # ReLU, GELU
    (0.25, 5.0)
    """
    require_positive(numel=numel, flops_per_element=flops_per_element, inputs=inputs, element_bytes=element_bytes)
    return Cost(flops_per_element * numel, element_bytes * (inputs + 1) * numel)


def textbook_costs(rows: int, width: int, *, element_bytes: int = 2) -> dict[str, Cost]:
    """Costs of the operations that every roofline is explained with, on `rows` vectors of `width` numbers.

    >>> [round(cost.intensity, 2) for cost in textbook_costs(64, 4096).values()]
    [0.25, 5.0, 0.5, 1.0, 62.06, 1365.33]
    """
    require_positive(rows=rows, width=width, element_bytes=element_bytes)
    return {
        "ReLU": elementwise_cost(rows * width, element_bytes=element_bytes),
        "GELU": elementwise_cost(rows * width, flops_per_element=20, element_bytes=element_bytes),
        "dot product": Cost(2 * width, element_bytes * (2 * width + 1)),
        "vector × matrix": matmul_cost(1, width, width, element_bytes),
        "linear layer": matmul_cost(rows, width, width, element_bytes),
        "square matmul": matmul_cost(width, width, width, element_bytes),
    }


def model_costs(
    config: ModelConfig | TransformerShape, batch: int, seq: int, *, element_bytes: int = 2
) -> dict[str, Cost]:
    """Costs of the operations of one block's forward pass, and of the head and one AdamW step of the whole model.

    Softmax counts 5 FLOPs an element, a norm 4, the activation 20 for GELU and 6 for SiLU and its product, AdamW 12 a
    parameter with 28 bytes moved (reads parameter, gradient and two moments, writes three of them, in fp32).

    >>> costs = model_costs(PUBLISHED["GPT-2"].shape, batch=8, seq=1024)
    >>> costs["ffn"].intensity > 100 > costs["softmax"].intensity
    True
    """
    require_positive(batch=batch, seq=seq, element_bytes=element_bytes)
    shape, tokens, e = shape_of(config), batch * seq, element_bytes
    query, key_value = shape.num_heads * shape.d_head, shape.num_kv_heads * shape.d_head
    heads = batch * shape.num_heads
    matrices = 3 if shape.gated else 2
    params = sum(transformer_params(shape).values())
    scores = matmul_cost(seq, shape.d_head, seq, e)
    ffn = matmul_cost(tokens, shape.d_model, shape.d_ff, e)
    activation = elementwise_cost(tokens * shape.d_ff, 6 if shape.gated else 20, 2 if shape.gated else 1, e)
    return {
        "norm": elementwise_cost(tokens * shape.d_model, 4, 1, e),
        "projections": matmul_cost(tokens, shape.d_model, 2 * query + 2 * key_value, e),
        "scores": Cost(heads * scores.flops, heads * scores.bytes),
        "softmax": elementwise_cost(heads * seq * seq, 5, 1, e),
        "ffn": Cost(matrices * ffn.flops, matrices * ffn.bytes),
        "activation": activation,
        "head": matmul_cost(tokens, shape.d_model, shape.vocab_size, e),
        "optimizer": Cost(12 * params, 28 * params),
    }


def trace_costs(fn: Callable[[], Any]) -> dict[str, Cost]:
    """Run `fn` and add up, for each kind of PyTorch operation, its FLOPs and the bytes of its inputs and outputs.

    Matmuls get PyTorch's own FLOP formulas, other operations one FLOP for every element that they write. Views move
    nothing and are left out. An operation that fuses others shows as one, as it should.

    >>> import torch
    >>> a, b = torch.ones(64, 32), torch.ones(32, 16)
    >>> trace_costs(lambda: (a @ b).relu())
    {'mm': Cost(flops=65536, bytes=14336), 'relu': Cost(flops=1024, bytes=8192)}
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves
    from torch.utils.flop_counter import flop_registry

    totals: dict[str, list[float]] = {}

    def tensors(tree: Any) -> list[torch.Tensor]:
        return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]

    class Tracer(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping | None = None) -> Any:
            out = func(*args, **(kwargs or {}))
            written, read = tensors(out), tensors((args, kwargs))
            if func.is_view or not written or func._overloadpacket in _FREE:
                return out
            count = flop_registry.get(func._overloadpacket)
            flops = count(*args, **(kwargs or {}), out_val=out) if count else sum(t.numel() for t in written)
            total = totals.setdefault(func._overloadpacket.__name__, [0, 0])
            total[0] += flops
            total[1] += sum(t.numel() * t.element_size() for t in (*written, *read))
            return out

    aten = torch.ops.aten
    _FREE = {aten.empty, aten.detach, aten._unsafe_view, aten.empty_like, aten.lift_fresh, aten.alias}
    with Tracer():
        fn()
    return {name: Cost(*total) for name, total in totals.items()}
