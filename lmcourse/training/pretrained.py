"""A model that others trained, in the class of this course: `load_llama` reads a folder of Hugging Face's Llama kind.

The folder holds `config.json`, the weights in `model.safetensors` (or in several files and an index) and
`tokenizer.json`. The sizes and the tensors are the same there and here; names differ, and one thing more: which numbers
of a query are rotated together. Here it is neighbours, 0 with 1. There it is halves, 0 with d/2. The scores are the
same where the rows of the two projections are put in the other order; `neighbours_from_halves` does it.

Only numbers and names are read: no pickle, and nothing that a folder says is run. What the class cannot compute is
refused by name. Not here: longer contexts by scaling the rotation, biases, other families of models.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tokenizers
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from lmcourse.model import ModelConfig, Parts, TransformerLM
from lmcourse.support import checks
from lmcourse.training.weights import check_shapes, empty_model, filled, model_shapes, read_weights, tensor_shapes

SIZES = {  # Llama's name for each size of this class
    "vocab_size": "vocab_size",
    "context_length": "max_position_embeddings",
    "d_model": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "d_ff": "intermediate_size",
    "num_kv_heads": "num_key_value_heads",
}
DEFAULTS = {  # what Llama's own class takes where config.json says nothing
    "max_position_embeddings": 2048,
    "num_key_value_heads": None,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
}
ONLY = {  # what this class computes
    "model_type": ["llama"],
    "architectures": [None, ["LlamaForCausalLM"]],
    "hidden_act": ["silu"],
    "attention_bias": [False],
    "mlp_bias": [False],
    "tie_word_embeddings": [False, True],
    "rope_interleaved": [None, False],
    "quantization_config": [None],
    "auto_map": [None],  # code in the folder
}
NAMES = {  # Llama's name for each part of a tensor's name, where it is another
    "token_embeddings": "model.embed_tokens",
    "ln_final": "model.norm",
    "layers": "model.layers",
    "ln1": "input_layernorm",
    "attn": "self_attn",
    "output_proj": "o_proj",
    "ln2": "post_attention_layernorm",
    "ffn": "mlp",
    "w1": "gate_proj",
    "w2": "down_proj",
    "w3": "up_proj",
}


def load_llama(folder: str | os.PathLike, *, parts: Parts | None = None) -> tuple[TransformerLM, "FolderTokenizer"]:
    """The model of a folder, its weights in float32, and its tokenizer; `parts` are what it computes with.

    Raises FileNotFoundError where a file is missing, ValueError that names what this class cannot do, a size that no
    model has, a tensor that is missing or has no place. All of that is seen before a tensor is read.

    >>> load_llama("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: ...
    """
    folder = Path(folder)
    config = llama_config(_read_json(folder / "config.json"))
    tokenizer = FolderTokenizer(folder / "tokenizer.json")
    if tokenizer.vocab_size > config.vocab_size:
        raise ValueError(f"tokenizer.json: at most {config.vocab_size} tokens, got {tokenizer.vocab_size}")
    inside = _files(folder)
    found = {name: shape for shapes in inside.values() for name, shape in shapes.items()}
    model = empty_model(config, most=len(found), parts=parts)
    shapes = model_shapes(model)
    check_shapes(folder, found, {llama_name(name): shape for name, shape in shapes.items()})
    theirs = {}
    for file, names in inside.items():
        theirs |= read_weights(file, names)
    weights = {name: theirs[llama_name(name)] for name in shapes}
    for name in weights:
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            weights[name] = neighbours_from_halves(weights[name], config.d_head)
    return filled(model, weights), tokenizer


def fetch_llama(repository: str = "HuggingFaceTB/SmolLM2-135M") -> Path:
    """The folder of a model on huggingface.co, fetched once, 270 MB for the one named here: sizes, words and weights.

    It lies where `huggingface_hub` keeps what it fetches; HF_HOME moves that, and HF_HUB_OFFLINE=1 asks nobody.
    Raises ConnectionError where the model cannot be had.
    """
    from huggingface_hub import snapshot_download

    wanted = ["config.json", "tokenizer.json", "model*.safetensors", "model.safetensors.index.json"]
    try:
        return Path(snapshot_download(repository, allow_patterns=wanted))
    except Exception as error:  # of the hub's own, of its HTTP library, of the disk: they share no class
        reason = str(error).strip().partition("\n")[0]
        raise ConnectionError(f"{repository} cannot be had from huggingface.co here: {reason}") from error


def neighbours_from_halves(weight: Float[Tensor, "rows d_model"], d_head: int) -> Float[Tensor, "rows d_model"]:
    """Reorder the rows of a projection to queries or keys, so that what is rotated together stands side by side.

    In each head of `d_head` rows, row 0 and row d_head/2 become rows 0 and 1, and so on.

    >>> import torch
    >>> neighbours_from_halves(torch.arange(8.0)[:, None], d_head=4)[:, 0]  # two heads
    tensor([0., 2., 1., 3., 4., 6., 5., 7.])
    """
    return rearrange(weight, "(heads half i) d -> (heads i half) d", half=2, i=d_head // 2)


def llama_name(name: str) -> str:
    """What a Llama calls a tensor of this class.

    >>> llama_name("layers.3.ffn.w2.weight")
    'model.layers.3.mlp.down_proj.weight'
    """
    return ".".join(NAMES.get(part, part) for part in name.split("."))


def llama_config(stored: dict[str, Any]) -> ModelConfig:
    """The sizes that a `config.json` says; ValueError for what this class cannot compute.

    >>> sizes = dict(hidden_size=64, num_attention_heads=4, num_hidden_layers=2, intermediate_size=96, vocab_size=99)
    >>> llama_config(sizes | {"model_type": "llama"}).norm_eps
    1e-06
    >>> llama_config(sizes | {"model_type": "llama", "rope_scaling": {"rope_type": "linear", "factor": 2.0}})
    Traceback (most recent call last):
    ValueError: config.json: rope_scaling: no scaling, got {'rope_type': 'linear', 'factor': 2.0}
    """
    stored = DEFAULTS | stored
    for name, allowed in ONLY.items():
        if stored.get(name) not in allowed:
            words = " or ".join(map(repr, allowed))
            raise ValueError(f"config.json: {name}: {words}, got {checks.got(stored.get(name))}")
    theta = stored.get("rope_theta", 10_000.0)
    for name in ("rope_scaling", "rope_parameters"):  # as files before version 5 of transformers have it, and since
        rotation = stored.get(name) or {}
        plain = isinstance(rotation, dict) and rotation.keys() <= {"rope_theta", "rope_type"}
        if not plain or rotation.get("rope_type", "default") != "default":
            raise ValueError(f"config.json: {name}: no scaling, got {checks.got(rotation)}")
        theta = rotation.get("rope_theta", theta)
    try:
        sizes = {own: stored[name] for own, name in SIZES.items()}
        theta, eps = checks.number("rope_theta", theta), checks.number("rms_norm_eps", stored["rms_norm_eps"])
        config = ModelConfig(**sizes, rope_theta=theta, norm_eps=eps, tie_embeddings=stored["tie_word_embeddings"])
    except KeyError as error:
        raise ValueError(f"config.json: {error.args[0]}: a number, got none") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"config.json: {error}") from None
    if stored.get("head_dim") not in (None, config.d_head):
        raise ValueError(f"config.json: head_dim: hidden_size / heads = {config.d_head}, got {stored['head_dim']}")
    return config


class FolderTokenizer:
    """The `tokenizer.json` of a folder, with the methods that this course's tokenizers have.

    Raises FileNotFoundError where there is no file, ValueError for another one.
    """

    def __init__(self, path: str | os.PathLike):
        text = Path(path).read_text(encoding="utf-8")
        try:
            self._tokenizer = tokenizers.Tokenizer.from_str(text)
        except Exception as error:  # the library has no class of its own for it
            raise ValueError(f"{Path(path).name}: a file of the library tokenizers ({error})") from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.vocab_size = max(self._tokenizer.get_vocab().values(), default=-1) + 1
        added = self._tokenizer.get_added_tokens_decoder()
        self.special_tokens = {token.content: i for i, token in added.items() if token.special}

    def encode(self, text: str) -> list[int]:
        """The ids of a text, with the token that begins every text, where the model has one."""
        return self._tokenizer.encode(text).ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of some ids, without special tokens."""
        return self._tokenizer.decode(list(ids))


# --- the files -----------------------------------------------------------------------------------------------------


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name}: JSON, got {os.fspath(path)!r} ({error})") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path.name}: a JSON object, got {checks.got(content)}")
    return content


def _files(folder: Path) -> dict[Path, dict[str, tuple[int, ...]]]:
    """The files with weights, and the shapes of the tensors in each."""
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file():
        return {whole: tensor_shapes(whole)}
    if not index.is_file():
        raise FileNotFoundError(f"folder: {whole.name} or {index.name} in it, got {os.fspath(folder)!r} with neither")
    homes = _read_json(index).get("weight_map")
    if not isinstance(homes, dict) or not all(isinstance(file, str) for file in homes.values()):
        raise ValueError(f"{index.name}: a weight_map of names of tensors and of files, got {checks.got(homes)}")
    for file in homes.values():
        if Path(file).name != file or not file.endswith(".safetensors"):
            raise ValueError(f"{index.name}: names of safetensors files in this folder, got {checks.got(file)}")
    inside = {folder / file: tensor_shapes(folder / file) for file in sorted(set(homes.values()))}
    for name, file in homes.items():
        if name not in inside[folder / file]:
            raise ValueError(f"{name}: a tensor of {file}, as the index says, got none")
    for file, shapes in inside.items():
        for name in shapes:
            if homes.get(name) != file.name:
                raise ValueError(f"{name}: in the file that the index says, {homes.get(name)}, got it in {file.name}")
    return inside
