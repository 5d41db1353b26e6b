"""OMP_NUM_THREADS=1 pytest tests/training/test_pretrained.py

Oracle: `transformers`, with small models of random sizes and weights: its logits, its greedy text, its tokenizer.
"""

import json
import socket
from fnmatch import fnmatch
from itertools import pairwise
from unittest import mock

import huggingface_hub
import pytest
import tokenizers
import torch
from safetensors.torch import load_file, save_file
from tokenizers.pre_tokenizers import ByteLevel
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from lmcourse.flops import transformer_params
from lmcourse.model import Parts, rms_norm
from lmcourse.training import generate, pretrained
from lmcourse.training.pretrained import FolderTokenizer, fetch_llama, llama_config, load_llama

TEXT = "One day the fox found a bell. The bell was loud, and the fox was glad. " * 3
SIZES = {"vocab_size": 300, "hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2,
         "num_attention_heads": 4, "max_position_embeddings": 64, "initializer_range": 0.3,
         "bos_token_id": None, "eos_token_id": None}  # fmt: skip
KINDS = {
    "plain": {},
    "groups": {"num_key_value_heads": 2, "rope_parameters": {"rope_theta": 500_000.0, "rope_type": "default"}},
    "tied": {"num_key_value_heads": 1, "tie_word_embeddings": True, "rms_norm_eps": 1e-2, "num_hidden_layers": 3},
}


def write_tokenizer(folder):
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer, made.decoder = ByteLevel(add_prefix_space=False), tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=290, initial_alphabet=ByteLevel.alphabet(), show_progress=False)
    made.train_from_iterator([TEXT], trainer)
    made.save(str(folder / "tokenizer.json"))


def write(folder, kind="plain", **options):
    torch.manual_seed(1)
    model = LlamaForCausalLM(LlamaConfig(**(SIZES | KINDS[kind]))).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.uniform_(0.5, 1.5)
    model.save_pretrained(folder, **options)
    write_tokenizer(folder)
    return model


@pytest.fixture
def folder(tmp_path):
    write(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_logits_and_greedy_text_are_those_of_transformers(tmp_path, kind):
    theirs = write(tmp_path, kind, max_shard_size="20KB" if kind == "groups" else "1GB")
    assert (tmp_path / "model.safetensors.index.json").exists() == (kind == "groups")
    model, tokenizer = load_llama(tmp_path)
    prompt = tokenizer.encode("One day the fox")
    assert prompt == PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json")).encode("One day the fox")
    ids = torch.randint(300, (2, 64))
    with torch.no_grad():
        ours, wanted = model(ids), theirs(ids).logits
        greedy = theirs.generate(torch.tensor([prompt]), max_new_tokens=40, do_sample=False)[0].tolist()
    assert wanted.std() > 0.3 and (ours - wanted).abs().max() < 1e-4 * wanted.abs().max()
    assert generate(model, prompt, 40, temperature=0) == greedy and len(set(greedy)) > 5
    assert tokenizer.decode(prompt) == "One day the fox"


def test_sixteen_bits_and_parts_of_ones_own(folder):
    theirs = LlamaForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    theirs.save_pretrained(folder)
    called = []

    def own_norm(x, gain):
        called.append(x.shape)
        return rms_norm(x, gain)

    model, _ = load_llama(folder, parts=Parts(rms_norm=own_norm))
    ids = torch.arange(20)[None]
    with torch.no_grad():
        assert (model(ids) - theirs.float()(ids).logits).abs().max() < 1e-4
    assert len(called) == 5 and all(weight.dtype == torch.float32 for weight in model.parameters())


def test_without_the_other_order_of_rows_the_logits_are_wrong(folder):
    theirs, ids = LlamaForCausalLM.from_pretrained(folder), torch.arange(20)[None]
    with mock.patch.object(pretrained, "neighbours_from_halves", lambda weight, d_head: weight), torch.no_grad():
        assert (load_llama(folder)[0](ids) - theirs(ids).logits).abs().max() > 0.1


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.fixture
def unread():
    """No tensor is read meanwhile: what is wrong is seen in the heads of the files."""
    with mock.patch.object(pretrained, "read_weights", side_effect=AssertionError("a tensor was read")) as reading:
        yield reading


def change(folder, **config):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "rope_scaling: no scaling"),
        ({"rope_parameters": {"rope_theta": 1e4, "rope_type": "yarn"}}, "rope_parameters: no scaling"),
        ({"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}}, "rope_parameters: no scaling"),
        ({"attention_bias": True}, "attention_bias: False, got True"),
        ({"mlp_bias": True}, "mlp_bias"),
        ({"hidden_act": "gelu"}, "hidden_act: 'silu', got 'gelu'"),
        ({"model_type": "mistral"}, "model_type: 'llama', got 'mistral'"),
        ({"architectures": ["LlamaForTokenClassification"]}, "architectures"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"auto_map": {"AutoModel": "code.Model"}}, "auto_map"),
        ({"rope_interleaved": True}, "rope_interleaved"),
        ({"head_dim": 16}, "head_dim: hidden_size / heads = 8, got 16"),
        ({"num_key_value_heads": 3}, "num_kv_heads: a divisor"),
        ({"hidden_size": "32"}, "d_model: a whole number"),
        ({"hidden_size": 1 << 50, "head_dim": None}, "shape"),
        ({"vocab_size": 1 << 62}, "shape"),
        ({"num_hidden_layers": 10**9}, "num_layers: as many"),
        ({"num_hidden_layers": 3}, r"model\.layers\.2\..*: a tensor of shape .* got none"),
        ({"num_hidden_layers": 1}, r"model\.layers\.1\..*no place for"),
        ({"tie_word_embeddings": True}, r"lm_head\.weight: .*no place for"),
        ({"intermediate_size": 41}, r"gate_proj\.weight: shape \(41, 32\), got \(40, 32\)"),
        ({"vocab_size": 280}, "tokenizer.json: at most 280"),
        ({"rms_norm_eps": 0}, "norm_eps: more than 0"),
        ({"rope_theta": "10000", "rope_parameters": None}, "rope_theta: a finite number"),
    ],
)
def test_what_the_class_cannot_do_is_refused_by_name(folder, unread, config, words):
    change(folder, **config)
    with pytest.raises(ValueError, match=words):
        load_llama(folder)


def test_a_published_one_has_the_size_that_is_published():
    """SmolLM2-135M, as its config.json says it."""
    said = {"architectures": ["LlamaForCausalLM"], "attention_bias": False, "hidden_act": "silu", "hidden_size": 576,
            "intermediate_size": 1536, "is_llama_config": True, "max_position_embeddings": 8192, "mlp_bias": False,
            "model_type": "llama", "num_attention_heads": 9, "num_hidden_layers": 30, "num_key_value_heads": 3,
            "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_interleaved": False, "rope_scaling": None,
            "rope_theta": 100000, "tie_word_embeddings": True, "vocab_size": 49152}  # fmt: skip
    config = llama_config(said)
    assert sum(transformer_params(config).values()) == 134_515_008
    assert (config.rope_theta, config.norm_eps, config.context_length) == (100_000, 1e-5, 8192)


def test_what_cannot_be_fetched_is_a_connection_error_and_nobody_is_asked(monkeypatch, tmp_path):
    """The tests' set-up says HF_HUB_OFFLINE=1; nothing is in this cache."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", mock.Mock(side_effect=AssertionError("somebody was asked")))
    with pytest.raises(ConnectionError, match=r"a/b cannot be had from huggingface\.co here: "):
        fetch_llama("a/b")


def test_only_sizes_words_and_weights_are_fetched(monkeypatch, folder):
    asked = mock.Mock(return_value=str(folder))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", asked)
    assert fetch_llama("a/b") == folder and asked.call_args.args == ("a/b",)
    wanted = asked.call_args.kwargs["allow_patterns"]
    there = ["config.json", "tokenizer.json", "model.safetensors", "model-00001-of-00002.safetensors", "code.py",
             "model.safetensors.index.json", "pytorch_model.bin", "tokenizer_config.json"]  # fmt: skip
    assert [name for name in there if any(fnmatch(name, each) for each in wanted)] == [*there[:4], there[5]]


def test_a_size_that_is_not_said_is_named():
    with pytest.raises(ValueError, match="hidden_size: a number, got none"):
        llama_config({"model_type": "llama", "vocab_size": 9, "num_hidden_layers": 1})


@pytest.mark.parametrize("said", ["", "[]", "{", "[" * 100_000, '{"model_type": "llama", "vocab_size": NaN}'])
def test_a_config_that_is_none_is_refused(folder, unread, said):
    (folder / "config.json").write_text(said)
    with pytest.raises(ValueError, match=r"config\.json"):
        load_llama(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_file_that_is_missing_is_named(folder, name):
    (folder / name).unlink()
    (folder / "pytorch_model.bin").write_bytes(b"a pickle, which is not read")
    with pytest.raises(FileNotFoundError, match=name):
        load_llama(folder)


def test_other_files_are_refused(folder, unread):
    weights = folder / "model.safetensors"
    good = weights.read_bytes()
    for bad in (good[:-1], b"", b"\xff" * 100, good[:8] + b" " + good[9:]):
        weights.write_bytes(bad)
        with pytest.raises(ValueError, match="a whole safetensors file"):
            load_llama(folder)
    weights.write_bytes(good)
    tensors = load_file(weights)
    save_file(tensors | {"model.norm.weight": tensors["model.norm.weight"].to(torch.int8)}, weights)
    with pytest.raises(ValueError, match=r"model\.norm\.weight: F32, F16, BF16, got I8"):
        load_llama(folder)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match=r"tokenizer\.json"):
        load_llama(folder)


def test_an_index_leads_nowhere_else(tmp_path, unread):
    write(tmp_path, max_shard_size="20KB")
    path = tmp_path / "model.safetensors.index.json"
    homes = json.loads(path.read_text())["weight_map"]
    first, other = next((a, b) for a, b in pairwise(homes.values()) if a != b and [*homes.values()].count(a) > 1)
    name = next(name for name, file in homes.items() if file == first)
    changes = {
        "names of safetensors files": [
            homes | {name: f"../{first}"},
            homes | {name: "/etc/passwd"},
            homes | {name: ""},
        ],
        "as the index says": [homes | {name: other}, homes | {"another": first}],
        "in the file that the index says": [{own: file for own, file in homes.items() if own != name}],
        "weight_map": [None, [], {"a": 1}],
    }
    for words, maps in changes.items():
        for each in maps:
            path.write_text(json.dumps({"weight_map": each}))
            with pytest.raises(ValueError, match=words):
                load_llama(tmp_path)


def test_special_tokens_are_added_and_not_shown(tmp_path):
    write_tokenizer(tmp_path)
    made = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    made.add_special_tokens(["<s>"])
    made.post_processor = tokenizers.processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 290)])
    made.enable_truncation(2)
    made.save(str(tmp_path / "tokenizer.json"))
    tokenizer = FolderTokenizer(tmp_path / "tokenizer.json")
    ids = tokenizer.encode("One day")
    assert tokenizer.vocab_size == 291 and tokenizer.special_tokens == {"<s>": 290}
    assert ids[0] == 290 and len(ids) > 2 and tokenizer.decode(ids) == "One day"
