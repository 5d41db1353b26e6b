"""OMP_NUM_THREADS=1 pytest tests/training/test_weights.py"""

import json
from dataclasses import asdict

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lmcourse.model import ModelConfig, TransformerLM
from lmcourse.tokenization import BPETokenizer, train_bpe
from lmcourse.training import generate, load_checkpoint, open_model, save_checkpoint, save_model
from lmcourse.training.weights import empty_model, model_shapes

SIZES = {"vocab_size": 262, "context_length": 16, "d_model": 16, "num_layers": 2, "num_heads": 4, "d_ff": 24}
KINDS = [{}, {"qk_norm": True, "norm_eps": 1e-3}, {"num_kv_heads": 2, "tie_embeddings": True, "rope_theta": 500.0}]


@pytest.fixture(scope="module")
def tokenizer():
    return BPETokenizer(*train_bpe("low low low lower lowest", 262))


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_comes_back_as_it_was_in_sixteen_bits(tmp_path, tokenizer, kind):
    model, path = TransformerLM(ModelConfig(**SIZES, **kind)), tmp_path / "a model.safetensors"
    rounded = TransformerLM(model.config)
    rounded.load_state_dict({name: value.bfloat16() for name, value in model.state_dict().items()})
    save_model(path, model, tokenizer)
    again, words = open_model(path)
    assert again.config == model.config and words.encode("slowest") == tokenizer.encode("slowest")
    assert not again.training and all(weight.dtype == torch.float32 for weight in again.parameters())
    ids = torch.arange(16)[None]
    torch.testing.assert_close(again(ids), rounded(ids), rtol=1e-4, atol=1e-5)
    assert (again.lm_head.weight is again.token_embeddings.weight) == model.config.tie_embeddings
    assert generate(again, [1], 20, temperature=0) == generate(rounded, [1], 20, temperature=0)
    save_checkpoint(tmp_path / "run.pt", again, torch.optim.SGD(again.parameters()), 1)  # it can train on
    load_checkpoint(tmp_path / "run.pt", TransformerLM(model.config))


@pytest.mark.parametrize("kind", KINDS)
def test_the_shapes_of_a_model_are_told_without_making_it(kind):
    config = ModelConfig(**SIZES, **kind)
    shapes = {name: tuple(value.shape) for name, value in TransformerLM(config).state_dict().items()}
    if config.tie_embeddings:
        del shapes["lm_head.weight"]
    assert model_shapes(empty_model(config, most=2)) == shapes
    with pytest.raises(ValueError, match="num_layers: as many as there are tensors for, at most 1, got 2"):
        empty_model(config, most=1)


def test_another_file_is_refused_in_words(tmp_path, tokenizer):
    path = tmp_path / "m.safetensors"
    with pytest.raises(FileNotFoundError):
        open_model(path)
    save_model(path, TransformerLM(ModelConfig(**SIZES)), tokenizer)
    tensors, good = load_file(path), path.read_bytes()
    with safe_open(path, "pt") as file:
        config = json.loads(file.metadata()["config"])
    assert config == asdict(ModelConfig(**SIZES))
    wrong = {
        "which has no sizes in it": (tensors, None),
        "keeps sizes that no model": (tensors, config | {"d_model": 17}),
        "keeps sizes that no model of": (tensors, config | {"wings": 2}),
        r"token_embeddings\.weight: shape \(263, 16\), got \(262, 16\)": (tensors, config | {"vocab_size": 263}),
        "num_layers: as many": (tensors, config | {"num_layers": 10**12}),
        r"wings: a tensor that the model has no place for": (tensors | {"wings": torch.ones(2)}, config),
    }
    for words, (content, sizes) in wrong.items():
        save_file(content, path, None if sizes is None else {"config": json.dumps(sizes)})
        with pytest.raises(ValueError, match=words):
            open_model(path)
    path.write_bytes(good[:-2])
    with pytest.raises(ValueError, match="a whole safetensors file"):
        open_model(path)


def test_a_tokenizer_that_is_elsewhere_or_nowhere(tmp_path, tokenizer):
    path, elsewhere = tmp_path / "m.safetensors", tmp_path / "words.json"
    save_model(path, TransformerLM(ModelConfig(**SIZES)), tokenizer)
    (tmp_path / "m_tokenizer.json").rename(elsewhere)
    assert open_model(path, elsewhere)[1].vocab_size == tokenizer.vocab_size
    with pytest.raises(FileNotFoundError, match="m_tokenizer"):
        open_model(path)
    BPETokenizer(*train_bpe("low low low lower lowest", 261)).save(elsewhere)
    with pytest.raises(ValueError, match="tokenizer: 262 tokens, as many as the model has, got 261"):
        open_model(path, elsewhere)
