"""A model to hand on: its weights in a safetensors file that also holds its sizes, its tokenizer in a file beside it.

`save_model` writes `tales.safetensors` and `tales_tokenizer.json`; `open_model` reads both. The format holds numbers
and names and no code. To go on training, keep a checkpoint instead: it also has the optimizer's state.
`tensor_shapes` and `read_weights` are the way in for any safetensors file: first what it says that it holds, and only
when that fits, the numbers.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lmcourse.model import ModelConfig, Parts, TransformerLM
from lmcourse.support.files import replacing
from lmcourse.tokenization import BPETokenizer

NUMBERS = ("F32", "F16", "BF16")
SUFFIX = "_tokenizer.json"


def save_model(path: str | os.PathLike, model: TransformerLM, tokenizer: BPETokenizer) -> None:
    """Write the weights in bfloat16, with the sizes as the metadata "config", and the tokenizer beside them.

    A head that is the table of the embedding is not written a second time.
    """
    weights = {name: value.to("cpu", torch.bfloat16).contiguous() for name, value in model.state_dict().items()}
    if model.config.tie_embeddings:
        del weights["lm_head.weight"]
    tokenizer.save(tokenizer_beside(path))
    with replacing(path) as file:
        file.write(save(weights, {"config": json.dumps(asdict(model.config))}))


def open_model(
    path: str | os.PathLike, tokenizer: str | os.PathLike | None = None
) -> tuple[TransformerLM, BPETokenizer]:
    """The model that `save_model` wrote, in float32 and ready to write, and its tokenizer.

    `tokenizer` is its file, where that does not stand beside the model.
    Raises FileNotFoundError where a file is missing, ValueError for another one; all is checked before it is read.
    """
    found, config = tensor_shapes(path), _config(path)
    model = empty_model(config, most=len(found))
    check_shapes(path, found, model_shapes(model))
    words = BPETokenizer.load(tokenizer or tokenizer_beside(path))
    if words.vocab_size != config.vocab_size:
        raise ValueError(f"tokenizer: {config.vocab_size} tokens, as many as the model has, got {words.vocab_size}")
    return filled(model, read_weights(path, found)), words


def tokenizer_beside(path: str | os.PathLike) -> Path:
    """Where the tokenizer of a model stands.

    >>> tokenizer_beside("models/tales.safetensors").name
    'tales_tokenizer.json'
    """
    return Path(path).with_name(Path(path).stem + SUFFIX)


def _config(path: str | os.PathLike) -> ModelConfig:
    with safe_open(path, "pt") as file:
        stored = (file.metadata() or {}).get("config")
    if stored is None:
        raise ValueError(f"path: a file that save_model wrote, got {os.fspath(path)!r}, which has no sizes in it")
    try:
        return ModelConfig(**json.loads(stored))
    except (TypeError, ValueError) as error:
        raise ValueError(f"path: {os.fspath(path)!r} keeps sizes that no model of this version has ({error})") from None


# --- any safetensors file ------------------------------------------------------------------------------------------


def tensor_shapes(path: str | os.PathLike) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor, from the head of the file; no tensor is read.

    Raises FileNotFoundError where there is no file, ValueError for one that is no safetensors file, is cut, or holds
    other numbers than floats of 16 or 32 bits.
    """
    try:
        with safe_open(path, "pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            for name, part in slices.items():
                if part.get_dtype() not in NUMBERS:
                    raise ValueError(f"{name}: {', '.join(NUMBERS)}, got {part.get_dtype()} in {os.fspath(path)!r}")
            return {name: tuple(part.get_shape()) for name, part in slices.items()}
    except SafetensorError as error:
        raise ValueError(f"path: a whole safetensors file, got {os.fspath(path)!r} ({error})") from None


def check_shapes(
    where: str | os.PathLike, found: dict[str, tuple[int, ...]], expected: dict[str, tuple[int, ...]]
) -> None:
    """ValueError that names the first tensor which is missing, has another shape, or is not one of the model's."""
    for name, shape in expected.items():
        if name not in found:
            raise ValueError(f"{name}: a tensor of shape {shape}, got none in {os.fspath(where)!r}")
        if found[name] != shape:
            raise ValueError(f"{name}: shape {shape}, got {found[name]} in {os.fspath(where)!r}")
    for name in sorted(found.keys() - expected.keys()):
        raise ValueError(f"{name}: a tensor that the model has no place for, got one in {os.fspath(where)!r}")


def read_weights(path: str | os.PathLike, names: Iterable[str]) -> dict[str, Tensor]:
    """The named tensors of a file, in float32."""
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name).float() for name in names}


# --- what a model is made of ---------------------------------------------------------------------------------------


def empty_model(config: ModelConfig, most: int, parts: Parts | None = None) -> TransformerLM:
    """A model of these sizes whose tensors have shapes and no memory; ValueError for over `most` layers."""
    if config.num_layers > most:  # before they are made: a file may claim a billion
        raise ValueError(f"num_layers: as many as there are tensors for, at most {most}, got {config.num_layers}")
    try:
        with torch.device("meta"):
            return TransformerLM(config, fused_attention=True, parts=parts or Parts())
    except (RuntimeError, TypeError) as error:  # a tensor of more than 2**63 bytes
        raise ValueError(f"config: sizes that give a shape to every tensor, got {config} ({error})") from None


def model_shapes(model: TransformerLM) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor that a file of this model holds: all, but for a tied head.

    >>> config = ModelConfig(10, context_length=8, d_model=16, num_layers=1, num_heads=4, d_ff=32, num_kv_heads=1)
    >>> model_shapes(empty_model(config, most=1))["layers.0.attn.k_proj.weight"]
    (4, 16)
    """
    tied = {"lm_head.weight"} if model.config.tie_embeddings else set()
    return {name: tuple(value.shape) for name, value in model.state_dict().items() if name not in tied}


def filled(model: TransformerLM, weights: dict[str, Tensor]) -> TransformerLM:
    """The model with these tensors themselves in it, ready to write."""
    tied = {"lm_head.weight": weights["token_embeddings.weight"]} if model.config.tie_embeddings else {}
    model.load_state_dict(weights | tied, assign=True)
    if tied:
        model.lm_head.weight = model.token_embeddings.weight
    return model.eval()
