"""The language model that the course trains, whole, on one page.

Token ids go in, logits for the next token come out: embedding, then blocks of attention and feed-forward network,
then a final norm and the head. Pre-norm, RMSNorm, rotary positions, SwiGLU, grouped-query attention, no biases, as in
Llama; norms on queries and keys, and output projections that start at zero, are options of `ModelConfig`.
`TransformerLM` also takes a `KVCache`, so that sampling does not recompute the past.

Not here: dropout, mixture of experts, tensor parallelism. The functions at the top are written out because they are
the lesson; `TransformerLM(config, fused_attention=True)` calls PyTorch's fused attention instead of ours, and
`lmcourse.fast` has faster ones of the others.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lmcourse.support import checks


@dataclass(frozen=True)
class ModelConfig:
    """The sizes of a model. `num_kv_heads` below `num_heads` shares keys and values among groups of heads.

    `qk_norm` normalizes every query and key, so that no weight can make attention scores explode (arXiv 2010.04245).
    `zero_init` starts the projections that write to the residual stream at zero: every block begins as the identity.
    `norm_eps` is what every norm adds to the mean of the squares.
    Raises `ValueError` when the sizes do not fit together, `TypeError` for one that is no whole number.

    >>> ModelConfig(vocab_size=256, context_length=64, d_model=128, num_layers=4, num_heads=4, d_ff=344).d_head
    32
    """

    vocab_size: int
    context_length: int
    d_model: int
    num_layers: int
    num_heads: int
    d_ff: int
    num_kv_heads: int | None = None
    rope_theta: float = 10_000.0
    tie_embeddings: bool = False
    qk_norm: bool = False
    zero_init: bool = False
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        if self.num_kv_heads is None:
            object.__setattr__(self, "num_kv_heads", self.num_heads)
        for name in ("vocab_size", "context_length", "d_model", "num_layers", "num_heads", "d_ff", "num_kv_heads"):
            object.__setattr__(self, name, checks.whole(name, getattr(self, name), 1))
        if self.d_model % (2 * self.num_heads):
            allowed = f"a multiple of 2 · num_heads = {2 * self.num_heads}, since each head rotates pairs"
            raise ValueError(f"d_model: {allowed}; got {self.d_model}")
        if self.num_heads % self.num_kv_heads:
            raise ValueError(f"num_kv_heads: a divisor of num_heads = {self.num_heads}, got {self.num_kv_heads}")
        if not self.rope_theta > 0:
            raise ValueError(f"rope_theta: more than 0, got {self.rope_theta!r}")
        if not 0 < self.norm_eps < 1:
            raise ValueError(f"norm_eps: more than 0 and less than 1, got {self.norm_eps!r}")

    @property
    def d_head(self) -> int:
        return self.d_model // self.num_heads


# --- the functions -------------------------------------------------------------------------------------------------


def softmax(x: Float[Tensor, "..."], dim: int = -1) -> Float[Tensor, "..."]:
    """Turn scores into shares that sum to one along `dim`.

    The largest score is subtracted first, so `exp` cannot overflow; softmax does not notice, and neither does its
    gradient.

    >>> softmax(torch.tensor([1000.0, 1000.0]))
    tensor([0.5000, 0.5000])
    """
    exp = (x - x.detach().amax(dim=dim, keepdim=True)).exp()
    return exp / exp.sum(dim=dim, keepdim=True)


def cross_entropy(
    logits: Float[Tensor, "... vocab"],
    targets: Int[Tensor, "..."],
) -> Float[Tensor, ""]:
    """Mean of −log softmax(logits)[target] over all positions, in nats.

    >>> loss = cross_entropy(torch.zeros(3, 256), torch.tensor([0, 1, 2]))
    >>> round(loss.item(), 4)  # ln 256
    5.5452
    """
    if logits.shape[:-1] != targets.shape:
        raise ValueError(f"targets: shape {tuple(logits.shape[:-1])} to match the logits, got {tuple(targets.shape)}")
    shifted = logits - logits.detach().amax(dim=-1, keepdim=True)
    at_target = shifted.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    return (shifted.exp().sum(dim=-1).log() - at_target).mean()


def silu(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """x · sigmoid(x), also called swish.

    >>> silu(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7311])
    """
    return x * torch.sigmoid(x)


def rope(
    x: Float[Tensor, "... seq d_head"], positions: Int[Tensor, "seq"], theta: float = 10_000.0
) -> Float[Tensor, "... seq d_head"]:
    """Rotate each pair (x[2i], x[2i+1]) by position · theta^(−2i/d_head) radians (RoFormer, arXiv 2104.09864).

    The dot product of two rotated vectors depends on the distance of their positions only. Raises `ValueError` for an
    odd `d_head`.

    >>> rope(torch.tensor([[1.0, 0.0]]), torch.tensor([0]))  # position 0 turns nothing
    tensor([[1., 0.]])
    """
    d_head = x.shape[-1]
    if d_head % 2:
        raise ValueError(f"x: the last dimension is rotated in pairs and must be even, got {d_head}")
    return rotate(x, rotation_table(positions, d_head, theta))


def rotation_table(
    positions: Int[Tensor, "seq"], d_head: int, theta: float = 10_000.0
) -> Float[Tensor, "cos_sin seq d_head"]:
    """The cosines and the sines that `rope` needs, each written twice: once for either number of a pair.

    >>> rotation_table(torch.tensor([0]), d_head=4)
    tensor([[[1., 1., 1., 1.]],
    <BLANKLINE>
            [[0., 0., 0., 0.]]])
    """
    frequencies = theta ** (-torch.arange(0, d_head, 2, device=positions.device, dtype=torch.float32) / d_head)
    angles = (positions[:, None].float() * frequencies).repeat_interleave(2, dim=-1)
    return torch.stack([angles.cos(), angles.sin()])


def rotate(
    x: Float[Tensor, "... seq d_head"],
    table: Float[Tensor, "cos_sin seq d_head"],
) -> Float[Tensor, "... seq d_head"]:
    """Rotate each pair of numbers: sin · (x turned by a right angle) + cos · x.

    `table` holds the cosines, then the sines, a row per position.

    >>> right_angle = torch.tensor([[[0.0, 0.0]], [[1.0, 1.0]]])  # cos 0, sin 1
    >>> rotate(torch.tensor([[1.0, 2.0]]), right_angle)
    tensor([[-2.,  1.]])
    """
    cos, sin = table.to(x.dtype)
    even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([-odd, even], dim=-1).flatten(-2) * sin + x * cos


def scaled_dot_product_attention(
    query: Float[Tensor, "... queries d_head"],
    key: Float[Tensor, "... keys d_head"],
    value: Float[Tensor, "... keys d_value"],
    mask: Bool[Tensor, "... queries keys"] | None = None,
) -> Float[Tensor, "... queries d_value"]:
    """softmax(Q Kᵀ / √d_head) V. `mask` is True where a query may look at a key.

    >>> q = k = torch.zeros(2, 4)
    >>> value, mask = torch.tensor([[1.0], [3.0]]), torch.ones(2, 2).tril().bool()
    >>> scaled_dot_product_attention(q, k, value, mask)
    tensor([[1.],
            [2.]])
    """
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return softmax(scores) @ value


def rms_norm(
    x: Float[Tensor, "... d_model"],
    gain: Float[Tensor, "d_model"],
) -> Float[Tensor, "... d_model"]:
    """Divide each vector by its root mean square, then multiply by `gain`.

    0.00001 is added to the mean of the squares, before the root is taken.

    >>> rms_norm(torch.tensor([[1.0, 7.0]]), torch.tensor([1.0, 1.0]))
    tensor([[0.2000, 1.4000]])
    """
    mean_square = x.square().mean(dim=-1, keepdim=True)
    return x / (mean_square + 1e-5).sqrt() * gain


def swiglu(
    x: Float[Tensor, "... d_model"],
    w1: Callable[[Tensor], Tensor],
    w2: Callable[[Tensor], Tensor],
    w3: Callable[[Tensor], Tensor],
) -> Float[Tensor, "... d_model"]:
    """The feed-forward part: w2 of the product of silu(w1(x)) and w3(x).

    w1, w2 and w3 are functions, each a product with a matrix.

    >>> ten, same, three = (lambda x: 10 * x), (lambda x: x), (lambda x: 3 * x)
    >>> swiglu(torch.tensor([1.0, 0.0]), ten, same, three)  # silu(10) · 3
    tensor([29.9986,  0.0000])
    """
    return w2(silu(w1(x)) * w3(x))


def block(
    x: Float[Tensor, "... d_model"],
    norm_1: Callable[[Tensor], Tensor],
    attention: Callable[[Tensor], Tensor],
    norm_2: Callable[[Tensor], Tensor],
    feed_forward: Callable[[Tensor], Tensor],
) -> Float[Tensor, "... d_model"]:
    """Add attention of the first norm of x, then the feed-forward part of the second
    norm of the sum. The x that came in stays as it is.

    >>> def halve(x): return x / 2
    >>> def tenfold(x): return 10 * x
    >>> def plus_one(x): return x + 1
    >>> block(torch.tensor([2.0]), halve, tenfold, halve, plus_one)
    tensor([19.])
    """
    x = x + attention(norm_1(x))
    return x + feed_forward(norm_2(x))


def transformer(
    ids: Int[Tensor, "batch seq"],
    embedding: Callable[[Tensor], Tensor],
    blocks: Iterable[Callable[[Tensor], Tensor]],
    norm: Callable[[Tensor], Tensor],
    head: Callable[[Tensor], Tensor],
) -> Float[Tensor, "batch seq vocab"]:
    """The whole model: the embedding of the ids, each block in turn, the norm, and
    the head's logits.

    >>> def embedding(ids): return torch.tensor([[1.0, 2.0], [5.0, 6.0]])[ids]
    >>> def double(x): return 2 * x
    >>> def halve(x): return x / 2
    >>> def head(x): return x + 1
    >>> transformer(torch.tensor([1]), embedding, [double, double], halve, head)
    tensor([[11., 13.]])
    """
    x = embedding(ids)
    for layer in blocks:
        x = layer(x)
    return head(norm(x))


@dataclass(frozen=True)
class Parts:
    """The functions that a `TransformerLM` computes with: the course's, the faster ones of `lmcourse.fast`, or yours.

    >>> Parts().block is block, Parts(swiglu=max).swiglu is max
    (True, True)
    """

    rms_norm: Callable = rms_norm
    swiglu: Callable = swiglu
    rotate: Callable = rotate
    attention: Callable = scaled_dot_product_attention
    block: Callable = block
    transformer: Callable = transformer
    rotation_table: Callable = rotation_table


# --- the modules ---------------------------------------------------------------------------------------------------


class RMSNorm(nn.Module):
    """Divide each vector by its root mean square and multiply by a learned gain (arXiv 1910.07467).

    >>> norm = RMSNorm(2)
    >>> norm(torch.tensor([[3.0, 4.0], [300.0, 400.0]])).detach()  # the length is gone, the direction stays
    tensor([[0.8485, 1.1314],
            [0.8485, 1.1314]])
    """

    def __init__(self, d_model: int, parts: Parts = Parts(), eps: float = 1e-5):
        super().__init__()
        self.parts = parts
        self.weight = nn.Parameter(torch.ones(d_model))
        self.scale = math.sqrt(1e-5 / eps)  # `rms_norm` adds 1e-5, which is eps for an x that is scaled by this

    def forward(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
        wide = torch.promote_types(x.dtype, torch.float32)  # squares overflow and underflow in 16 bits
        scaled = x.to(wide) if self.scale == 1 else self.scale * x.to(wide)
        return self.parts.rms_norm(scaled, self.weight.to(wide)).to(x.dtype)


class KVCache:
    """Keys and values of the positions seen so far, layer by layer; `TransformerLM` fills it.

    `layers` holds two tensors `batch kv_heads seq d_head` a layer, or None before the first position.

    >>> cache = KVCache(num_layers=2)
    >>> cache.length, cache.layers
    (0, [None, None])
    """

    def __init__(self, num_layers: int):
        self.layers: list[tuple[Tensor, Tensor] | None] = [None] * num_layers

    @property
    def length(self) -> int:
        """How many positions are stored."""
        return 0 if self.layers[0] is None else self.layers[0][0].shape[-2]

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Append the new positions of one layer, `batch kv_heads new d_head`, and return all of them, old ones first.

        Raises `IndexError` for a layer that is not there, `RuntimeError` where the other sizes are not those of before.

        >>> cache = KVCache(num_layers=1)
        >>> prompt = cache.extend(0, torch.zeros(1, 2, 5, 8), torch.zeros(1, 2, 5, 8))
        >>> key, value = cache.extend(0, torch.ones(1, 2, 1, 8), torch.ones(1, 2, 1, 8))
        >>> cache.length, key.shape, key[0, 0, :, 0]
        (6, torch.Size([1, 2, 6, 8]), tensor([0., 0., 0., 0., 0., 1.]))
        """
        if self.layers[layer] is not None:
            old_key, old_value = self.layers[layer]
            key, value = torch.cat([old_key, key], dim=-2), torch.cat([old_value, value], dim=-2)
        self.layers[layer] = (key, value)
        return key, value


class Attention(nn.Module):
    """Causal self-attention with rotary positions; every group of query heads shares one key and value head.

    >>> config = ModelConfig(10, context_length=8, d_model=16, num_layers=1, num_heads=4, d_ff=32, num_kv_heads=2)
    >>> attention, x = Attention(config), torch.ones(1, 3, 16)
    >>> attention.q_proj.weight.shape, attention.k_proj.weight.shape  # 4 heads of 4 numbers, and 2
    (torch.Size([16, 16]), torch.Size([8, 16]))
    >>> rotation = rotation_table(torch.arange(3), config.d_head)
    >>> before = attention(x, rotation)
    >>> x[0, 2] = 5.0
    >>> torch.allclose(attention(x, rotation)[0, :2], before[0, :2])  # no position sees a later one
    True
    """

    def __init__(self, config: ModelConfig, fused: bool = False, parts: Parts = Parts()):
        super().__init__()
        self.config, self.fused, self.parts = config, fused, parts
        d_kv = config.num_kv_heads * config.d_head
        self.q_proj = nn.Linear(config.d_model, config.d_model, bias=False)
        self.k_proj = nn.Linear(config.d_model, d_kv, bias=False)
        self.v_proj = nn.Linear(config.d_model, d_kv, bias=False)
        self.output_proj = nn.Linear(config.d_model, config.d_model, bias=False)
        if config.qk_norm:
            self.q_norm = RMSNorm(config.d_head, parts, config.norm_eps)
            self.k_norm = RMSNorm(config.d_head, parts, config.norm_eps)

    def forward(
        self,
        x: Float[Tensor, "batch seq d_model"],
        rotation: Float[Tensor, "cos_sin seq d_head"],
        cache: KVCache | None = None,
        layer: int = 0,
    ) -> Float[Tensor, "batch seq d_model"]:
        """Mix the positions of `x`. `rotation` is the `rotation_table` of them.

        With a `cache` they follow the positions that it holds for `layer`, and are added to it.
        """
        config, split = self.config, "batch seq (heads d) -> batch heads seq d"
        query, key, value = (
            rearrange(projection(x), split, d=config.d_head) for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        if config.qk_norm:
            query, key = self.q_norm(query), self.k_norm(key)
        query, key = self.parts.rotate(query, rotation), self.parts.rotate(key, rotation)
        if cache is not None:
            key, value = cache.extend(layer, key, value)
        group = config.num_heads // config.num_kv_heads
        if group > 1 and not self.fused:
            key, value = (repeat(t, "batch kv seq d -> batch (kv group) seq d", group=group) for t in (key, value))
        mixed = self._attend(query, key, value)
        return self.output_proj(rearrange(mixed, "batch heads seq d -> batch seq (heads d)"))

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        queries, keys = query.shape[-2], key.shape[-2]  # the queries are the last of the keys' positions
        whole = queries == keys  # then the kernel can make the mask itself, and skip half the work
        mask = None
        if not (self.fused and whole):
            mask = torch.ones(queries, keys, dtype=torch.bool, device=query.device).tril(keys - queries)
        if not self.fused:
            return self.parts.attention(query, key, value, mask)
        return nn.functional.scaled_dot_product_attention(query, key, value, mask, is_causal=whole, enable_gqa=True)


class SwiGLU(nn.Module):
    """w2(silu(w1 x) · w3 x), the gated feed-forward network (arXiv 2002.05202).

    >>> config = ModelConfig(10, context_length=8, d_model=16, num_layers=1, num_heads=4, d_ff=32)
    >>> sum(weight.numel() for weight in SwiGLU(config).parameters()) == 3 * config.d_model * config.d_ff
    True
    """

    def __init__(self, config: ModelConfig, parts: Parts = Parts()):
        super().__init__()
        self.parts = parts
        self.w1 = nn.Linear(config.d_model, config.d_ff, bias=False)
        self.w2 = nn.Linear(config.d_ff, config.d_model, bias=False)
        self.w3 = nn.Linear(config.d_model, config.d_ff, bias=False)

    def forward(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
        return self.parts.swiglu(x, self.w1, self.w2, self.w3)


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x)).

    >>> config = ModelConfig(10, context_length=8, d_model=16, num_layers=1, num_heads=4, d_ff=32, zero_init=True)
    >>> block, x = TransformerLM(config).layers[0], torch.randn(1, 3, 16)
    >>> bool((block(x, rotation_table(torch.arange(3), config.d_head)) == x).all())  # begins as the identity
    True
    """

    def __init__(self, config: ModelConfig, fused: bool = False, parts: Parts = Parts()):
        super().__init__()
        self.parts = parts
        self.ln1, self.attn = RMSNorm(config.d_model, parts, config.norm_eps), Attention(config, fused, parts)
        self.ln2, self.ffn = RMSNorm(config.d_model, parts, config.norm_eps), SwiGLU(config, parts)

    def forward(
        self,
        x: Float[Tensor, "batch seq d_model"],
        rotation: Float[Tensor, "cos_sin seq d_head"],
        cache: KVCache | None = None,
        layer: int = 0,
    ) -> Float[Tensor, "batch seq d_model"]:
        attention = partial(self.attn, rotation=rotation, cache=cache, layer=layer)
        return self.parts.block(x, self.ln1, attention, self.ln2, self.ffn)


class TransformerLM(nn.Module):
    """Token ids to logits over the next token.

    `parts` are the functions that it computes with; `fused_attention` takes PyTorch's kernel for one of them (the same
    up to rounding, less memory). `checkpoint_blocks` keeps only each block's input for the backward pass and runs the
    block a second time (one more forward, less memory).
    Weights are drawn with std 1/√fan_in, the two projections that write to the residual stream 1/√(2 · num_layers)
    smaller (or zero, with `zero_init`), embedding and head with 0.02, all cut at three standard deviations.

    >>> config = ModelConfig(vocab_size=10, context_length=8, d_model=16, num_layers=2, num_heads=2, d_ff=32)
    >>> TransformerLM(config)(torch.zeros(1, 8, dtype=torch.long)).shape
    torch.Size([1, 8, 10])
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        fused_attention: bool = False,
        checkpoint_blocks: bool = False,
        parts: Parts = Parts(),
    ):
        super().__init__()
        self.config, self.checkpoint_blocks, self.parts = config, checkpoint_blocks, parts
        self.token_embeddings = nn.Embedding(config.vocab_size, config.d_model)
        self.layers = nn.ModuleList(Block(config, fused_attention, parts) for _ in range(config.num_layers))
        self.ln_final = RMSNorm(config.d_model, parts, config.norm_eps)
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        if config.tie_embeddings:
            self.lm_head.weight = self.token_embeddings.weight
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew from PyTorch's global generator."""
        for name, weight in self.named_parameters():
            writes_to_the_stream = name.endswith(("output_proj.weight", "w2.weight"))
            if weight.dim() < 2:
                nn.init.ones_(weight)
                continue
            if writes_to_the_stream and self.config.zero_init:
                nn.init.zeros_(weight)
                continue
            std = 1 / math.sqrt(weight.shape[1])
            if writes_to_the_stream:
                std /= math.sqrt(2 * self.config.num_layers)
            if name.startswith(("token_embeddings", "lm_head")):
                std = 0.02
            nn.init.trunc_normal_(weight, std=std, a=-3 * std, b=3 * std)

    def forward(self, ids: Int[Tensor, "batch seq"], cache: KVCache | None = None) -> Float[Tensor, "batch seq vocab"]:
        """Logits for every position of `ids`, which follow the positions that `cache` holds.

        Raises `ValueError` when cached and new positions exceed the context length.
        """
        start = 0 if cache is None else cache.length
        if ids.dim() != 2:
            raise ValueError(f"ids: shape (batch, seq), got {tuple(ids.shape)}")
        if start + ids.shape[1] > self.config.context_length:
            limit = f"the context length {self.config.context_length}"
            raise ValueError(f"ids: {start} cached and {ids.shape[1]} new positions exceed {limit}")
        positions = torch.arange(start, start + ids.shape[1], device=ids.device)
        rotation = self.parts.rotation_table(positions, self.config.d_head, self.config.rope_theta)
        blocks = [partial(self._layer, index, rotation, cache) for index in range(len(self.layers))]
        return self.parts.transformer(ids, self.token_embeddings, blocks, self.ln_final, self.lm_head)

    def _layer(self, index: int, rotation: Tensor, cache: KVCache | None, x: Tensor) -> Tensor:
        if self.checkpoint_blocks and cache is None and torch.is_grad_enabled():
            return checkpoint(self.layers[index], x, rotation, use_reentrant=False)
        return self.layers[index](x, rotation, cache, index)

    def new_cache(self) -> KVCache:
        """An empty cache for `forward`.

        >>> config = ModelConfig(10, context_length=8, d_model=16, num_layers=1, num_heads=4, d_ff=32)
        >>> model, ids = TransformerLM(config), torch.tensor([[1, 2, 3, 4]])
        >>> cache = model.new_cache()
        >>> prompt, last = model(ids[:, :3], cache), model(ids[:, 3:], cache)  # the last one is computed alone
        >>> cache.length, torch.allclose(last, model(ids)[:, 3:], atol=1e-6)
        (4, True)
        """
        return KVCache(self.config.num_layers)
