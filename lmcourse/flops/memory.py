"""Bytes: what a parameter costs, what the forward pass keeps, and what lives when during a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lmcourse.flops.counting import transformer_params
from lmcourse.flops.shapes import TransformerShape, require_positive, shape_of
from lmcourse.support.checks import one_of

if TYPE_CHECKING:
    from lmcourse.model import ModelConfig

BYTES_PER_NUMBER: dict[str, dict[str, int]] = {
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

    `recipe` is a key of `BYTES_PER_NUMBER`, `optimizer` one of `MOMENTS`. Raises `ValueError` for another name.

    >>> memory_bytes_per_parameter("mixed")
    {'parameters': 2, 'gradients': 2, 'master_copy': 4, 'optimizer_state': 8}
    >>> {recipe: sum(memory_bytes_per_parameter(recipe).values()) for recipe in ("fp32", "mixed", "no master copy")}
    {'fp32': 16, 'mixed': 16, 'no master copy': 12}
    """
    sizes = BYTES_PER_NUMBER[one_of("recipe", recipe, BYTES_PER_NUMBER)]
    state = {"optimizer_state": MOMENTS[one_of("optimizer", optimizer, MOMENTS)] * sizes["moment"]}
    return {name: sizes[name] for name in ("parameters", "gradients", "master_copy")} | state


def max_parameters(devices: int, memory_bytes: float, bytes_per_parameter: float = 16) -> float:
    """The most parameters whose training state fits, split over all devices.

    `memory_bytes` is the memory of one device. No room is left for activations.
    The quotient is returned as it is, not rounded.

    >>> max_parameters(2, 24e9), max_parameters(2, 24e9, bytes_per_parameter=12)
    (3000000000.0, 4000000000.0)
    """
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

    >>> from lmcourse.flops import PUBLISHED
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

    >>> from lmcourse.flops import PUBLISHED
    >>> parts = training_memory(PUBLISHED["GPT-2"].shape, batch=4, seq=1024)
    >>> {name: round(size / 1e9, 2) for name, size in parts.items()}  # doctest: +NORMALIZE_WHITESPACE
    {'parameters': 0.25, 'gradients': 0.25, 'master_copy': 0.5, 'optimizer_state': 1.0, 'activations': 1.3,
     'logits': 2.47}
    """
    per_parameter = memory_bytes_per_parameter(recipe, optimizer)
    params, stage = sum(transformer_params(config).values()), SHARDING.index(one_of("sharding", sharding, SHARDING))
    sharded_from = {"optimizer_state": 1, "master_copy": 1, "gradients": 2, "parameters": 3}
    parts = {
        name: params * size / (devices if stage >= sharded_from[name] else 1) for name, size in per_parameter.items()
    }
    element_bytes = BYTES_PER_NUMBER[recipe]["activation"]
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

    >>> from lmcourse.flops import PUBLISHED
    >>> moments = memory_timeline(PUBLISHED["GPT-2"].shape, batch=4, seq=1024)
    >>> len(moments), max(moments, key=lambda moment: moment["activations"] + moment["logits"])["moment"]
    (27, 'loss')
    """
    parts = training_memory(config, batch, seq, **options)
    shape, params = shape_of(config), transformer_params(config)
    layers, total = shape.num_layers, sum(params.values())
    checkpoint, plain = options.get("checkpoint", False), not options.get("fused_attention", True)
    number_bytes = BYTES_PER_NUMBER[options.get("recipe", "mixed")]["activation"]
    token_bytes = batch * seq * number_bytes  # of one number for every token
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

    def add(moment: str, activations: float, logits: float, gradients: float, stepped: bool = False) -> None:
        now = {name: parts[name] for name in ("parameters", "master_copy")}
        now["gradients"] = parts["gradients"] * (1 if accumulate else gradients)
        now["optimizer_state"] = parts["optimizer_state"] if stepped or not first_step else 0
        moments.append({"moment": moment, **now, "activations": activations, "logits": logits})

    for block in range(1, layers + 1):
        add(f"forward {block}", block * kept, 0, 0)
    add("loss", layers * kept + final_norm, parts["logits"], 0)
    for block in range(layers, 0, -1):
        add(f"backward {block}", block * kept + working, 0, head_share + (layers - block) * block_share)
    add("gradients", 0, 0, 1)
    add("step", 0, 0, 1, stepped=True)
    return moments
