"""NextToken: what the page is told, and golden vectors for the model in JavaScript.

Run: pytest tests/widgets/test_next_token.py
"""

import base64
import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import nn

from lmcourse.model import ModelConfig, TransformerLM, softmax
from lmcourse.recorded import tales_model
from lmcourse.tokenization import BPETokenizer, ByteTokenizer, train_bpe
from lmcourse.training import generate
from lmcourse.training.sampling import sample_top_p, top_k_only
from lmcourse.widgets import NextToken
from lmcourse.widgets.next_token import GIVEN, watched

GOLDEN = Path(__file__).parents[1] / "golden" / "next_token_model.json"
SIZES = {"vocab_size": 40, "context_length": 48, "d_model": 16, "num_layers": 2, "num_heads": 4, "d_ff": 24}
CONFIGS = [
    ({}, torch.float32),
    ({"num_kv_heads": 2, "tie_embeddings": True}, torch.bfloat16),
    ({"num_kv_heads": 1, "qk_norm": True}, torch.bfloat16),
    ({"num_layers": 3, "qk_norm": True, "tie_embeddings": True, "rope_theta": 500.0}, torch.float32),
]
TOKENS = 200
MARGIN = 1e-3  # between the two most probable tokens: less, and rounding decides


def tiny(changes: dict, dtype: torch.dtype, seed: int) -> TransformerLM:
    """A model with weights of no use, wide enough that its logits differ, stored in `dtype` and computed in float32."""
    torch.manual_seed(seed)
    model = TransformerLM(ModelConfig(**SIZES | changes))
    with torch.no_grad():
        for weight in model.parameters():
            spread = 3 if weight.dim() > 1 else 0.3
            weight.copy_((weight * spread if weight.dim() > 1 else 1 + spread * torch.randn_like(weight)).to(dtype))
        model.token_embeddings.weight.mul_(8)
        model.lm_head.weight.mul_(1 if model.config.tie_embeddings else 8)
    return model.eval()


def file_of(model: TransformerLM, dtype: torch.dtype) -> bytes:
    """A safetensors file of the model as the recorded one is written; a tied head is not there twice."""
    tied = model.config.tie_embeddings
    weights = {
        name: weight.to(dtype).contiguous()
        for name, weight in model.state_dict().items()
        if not (tied and name == "lm_head.weight")
    }
    return save(weights, {"config": json.dumps(asdict(model.config))})


def smallest_margin(model: TransformerLM, ids: list[int], prompt: int) -> float:
    """Between the first and the second token, wherever `generate` chose."""
    widget = NextToken.__new__(NextToken)
    widget._model, widget._seen = model, ([], None)
    tops = [NextToken._logits(widget, ids[:k]).topk(2).values for k in range(prompt, len(ids))]
    return min(float(first - second) for first, second in tops)


def of_model(model: TransformerLM, prompt: list[int]) -> dict:
    text = generate(model, prompt, TOKENS, temperature=0)
    with torch.no_grad(), watched(model) as heads:
        logits = model(torch.tensor([prompt]))[0]
    assert smallest_margin(model, text, len(prompt)) > MARGIN
    return {
        "prompt": prompt,
        "logits": [[round(each, 5) for each in row] for row in logits.tolist()],
        "attention": [[[round(each, 6) for each in head] for head in layer.tolist()] for layer in heads],
        "text": text,
    }


def test_golden_models():
    """Logits, attention and greedy text past the context of four small models and of the recorded one."""
    cases = []
    for seed, (changes, dtype) in enumerate(CONFIGS):
        model = tiny(changes, dtype, seed)
        data = file_of(model, dtype)
        cases.append({"file": base64.b64encode(data).decode("ascii")} | of_model(model, [1, 5, 2, 39, 0, 7, 7, 3]))
    model, tokenizer = tales_model()
    told = of_model(model, tokenizer.encode("Once"))
    made = json.loads(json.dumps({"tiny": cases, "tales": told}))
    if os.environ.get("LMCOURSE_WRITE_GOLDEN") == "1":
        GOLDEN.write_text(json.dumps(made, separators=(",", ":")) + "\n", encoding="utf-8")
    stored = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for was, now in zip([*stored["tiny"], stored["tales"]], [*made["tiny"], made["tales"]], strict=True):
        assert was.get("file") == now.get("file") and was["text"] == now["text"] and was["prompt"] == now["prompt"]
        np.testing.assert_allclose(was["logits"], now["logits"], atol=1e-4)  # another processor rounds otherwise
        np.testing.assert_allclose(was["attention"], now["attention"], atol=1e-5)


def chances(logits: torch.Tensor, temperature: float, top_k: int | None, top_p: float | None) -> list[float]:
    """With what chance `next_token` draws each token, from its own parts: what is cut is never drawn."""
    if temperature == 0:
        return [float(k == int(logits.argmax())) for k in range(len(logits))]
    left = (logits.double() - logits.double().max()) / temperature
    left = left if top_k is None else top_k_only(left, top_k)
    shares = softmax(left)
    drawn = {sample_top_p(left, top_p or 1.0, generator=torch.Generator().manual_seed(seed)) for seed in range(2000)}
    kept = torch.zeros_like(shares)
    kept[list(drawn)] = shares[list(drawn)]
    return [round(each, 9) for each in (kept / kept.sum()).tolist()]


def test_golden_cuts(golden):
    """What temperature, top-k and top-p leave of a distribution, ties included."""
    logits = torch.tensor([2.0, -1.0, 0.5, 2.0, 1.0, 0.5, -0.5, 1.5])
    settings = [
        (1.0, None, None), (0, None, None), (0.5, None, None), (2.0, None, None), (1.0, 3, None), (1.0, 1, None),
        (1.0, None, 0.5), (1.0, None, 0.9), (0.7, 4, 0.8), (1.0, 50, 1.0), (1.0, 2, 0.01),
    ]  # fmt: skip
    cases = [[t, k or 0, p or 1.0, chances(logits, t, k, p)] for t, k, p in settings]
    golden("next_token", {"logits": logits.tolist(), "cases": cases})


# What the page asks, and what it hears


def numbers(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype="<f4")


@pytest.fixture(scope="module")
def tales():
    return tales_model()


def test_logits_are_the_models_wherever_the_reader_goes(tales):
    """Forth, back, on another road and past the context: always what the whole forward pass says."""
    model, tokenizer = tales
    widget = NextToken(model, tokenizer, "One day")
    ids = generate(model, tokenizer.encode("One day"), 300, seed=1)
    other = [*ids[:20], ids[21], ids[20]]
    for asked in (ids[:10], ids[:11], ids[:5], other, ids[:30], ids, ids[:256]):
        answer = widget.answer({"logits": asked})
        seen = widget._window(asked)
        with torch.no_grad():
            want = model(torch.tensor([seen]))[0, -1]
        np.testing.assert_allclose(numbers(answer["logits"]), want.numpy(), atol=1e-4)
        top = want.argmax().item()
        assert answer["known"][top] == tokenizer.decode_bytes([top]).decode("latin-1")


@pytest.mark.parametrize("context", [1, 2, 7, 8])
def test_a_long_text_is_seen_as_generate_sees_it(context):
    torch.manual_seed(0)
    model = TransformerLM(ModelConfig(256, context, d_model=16, num_layers=1, num_heads=2, d_ff=16))
    widget = NextToken(model, ByteTokenizer(), "a")
    seen = []
    forward = model.forward
    model.forward = lambda ids, cache=None: (seen.append((cache.length, ids.shape[1])), forward(ids, cache))[1]
    generate(model, [97], 40, seed=0)
    for length, (cached, new) in enumerate(seen, 1):
        assert len(widget._window([97] * length)) == cached + new, length


def test_attention_is_what_the_model_computes(tales):
    """Seen through its own attention function, which gives the same weights."""
    model, tokenizer = tales
    plain = TransformerLM(model.config)
    plain.load_state_dict(model.state_dict())
    ids = tokenizer.encode("One day Tom saw Tom")
    kept = []
    for layer in plain.layers:
        attend = layer.attn.parts.attention

        def look(query, key, value, mask, attend=attend):
            shares = attend(query, key, torch.eye(key.shape[-2]).expand(*key.shape[:-1], -1), mask)
            kept.append(shares[0, :, -1])
            return attend(query, key, value, mask)

        layer.attn.parts = type(layer.attn.parts)(attention=look)
    with torch.no_grad():
        plain(torch.tensor([ids]))
    found = NextToken(model, tokenizer, "One day").answer({"attention": ids})["heads"]
    np.testing.assert_allclose(np.array(found), torch.stack(kept).numpy(), atol=2e-5)


def test_losses_are_cross_entropy(tales):
    model, tokenizer = tales
    text = "Tom saw a fox in the forest."
    found = NextToken(model, tokenizer, "One day").answer({"losses": text})
    ids = torch.tensor([tokenizer.encode(text)])
    with torch.no_grad():
        want = nn.functional.cross_entropy(model(ids)[0, :-1], ids[0, 1:], reduction="none")
    assert found["losses"][0] is None and "".join(found["pieces"]) == text
    np.testing.assert_allclose(found["losses"][1:], want.numpy(), atol=1e-3)


def test_any_function_and_any_tokenizer():
    """No TransformerLM: the distribution is there, attention is not, and a page without a kernel has the first one."""

    def model(ids):
        return nn.functional.one_hot((ids + 1) % 256, 256).float() * 20

    widget = NextToken(model, ByteTokenizer(), "abc")
    assert repr(widget).startswith("NextToken: after “abc” the model gives “d” 100.0 %")
    assert widget.about == {} and widget.page_model == "" and widget.local["kind"] == "bytes"
    assert numbers(widget.first["logits"]).argmax() == ord("d")
    with pytest.raises(ValueError, match="model: a TransformerLM, whose attention can be seen"):
        widget.answer({"attention": [1]})
    assert widget.answer({"text": "hé"})["pieces"] == ["h", "\xc3", "\xa9"]


def test_a_large_vocabulary_is_not_saved_with_the_notebook():
    widget = NextToken(lambda ids: torch.zeros(*ids.shape, 50_000), ByteTokenizer(), "a")
    assert widget.first["logits"] == "" and len(widget.static_html()) < 20_000
    assert len(numbers(widget.answer({"logits": [1]})["logits"])) == 50_000


def test_only_the_recorded_model_is_in_the_page(tales):
    model, tokenizer = tales
    assert NextToken(model, tokenizer, "One day").page_model == "tales"
    other = TransformerLM(model.config)
    assert NextToken(other, tokenizer, "One day").page_model == ""


def test_the_beginning_is_given_and_special_tokens_stop():
    tokenizer = BPETokenizer(*train_bpe("low low low", 260, ["<|end|>"]), ["<|end|>"])
    torch.manual_seed(0)
    model = TransformerLM(ModelConfig(tokenizer.vocab_size, 8, d_model=16, num_layers=1, num_heads=2, d_ff=16))
    widget = NextToken(model, tokenizer, "low<|end|>")
    assert [node[0] for node in widget.tree] == list(range(-1, len(widget.tree) - 1))
    assert {node[3] for node in widget.tree} == {GIVEN} and widget.tree[-1][2] == "<|end|>"
    assert widget.stops == [tokenizer.special_tokens["<|end|>"]]
    assert model.training, "the model is in the mode in which it was"


def narrow(ids):
    return torch.zeros(*ids.shape, 10)


@pytest.mark.parametrize(
    ("arguments", "more", "words"),
    [
        (("no model", ByteTokenizer(), "a"), {}, "model: a TransformerLM or a function"),
        ((narrow, "no tokenizer", "a"), {}, "tokenizer: something with encode and decode"),
        ((narrow, ByteTokenizer(), ""), {}, "text: at least one token"),
        ((narrow, ByteTokenizer(), "a\ud800"), {}, "text: it has the lone surrogate"),
        ((narrow, ByteTokenizer(), "a" * 5000), {}, "text: at most 4000 characters"),
        ((narrow, ByteTokenizer(), 3), {}, "text: expected a str"),
        ((lambda ids: torch.zeros(3), ByteTokenizer(), "a"), {}, "model: logits of shape"),
        ((lambda ids: "x", ByteTokenizer(), "a"), {}, "model: logits of shape"),
        ((narrow, ByteTokenizer(), "a"), {"temperature": -1}, "temperature: a finite number from 0 to 2"),
        ((narrow, ByteTokenizer(), "a"), {"top_k": 0}, "top_k: a whole number of 1 or more"),
        ((narrow, ByteTokenizer(), "a"), {"top_p": 0}, "top_p: more than 0 and at most 1"),
        ((narrow, ByteTokenizer(), "a"), {"seed": -1}, "seed: a whole number from 0"),
    ],
)
def test_arguments_are_refused_by_name(arguments, more, words):
    with pytest.raises((TypeError, ValueError), match=words):
        NextToken(*arguments, **more)


def test_a_tokenizer_of_another_model_is_named():
    model = TransformerLM(ModelConfig(50, 8, d_model=16, num_layers=1, num_heads=2, d_ff=16))
    with pytest.raises(ValueError, match="tokenizer: ids below 50, the model's vocabulary, got 97"):
        NextToken(model, ByteTokenizer(), "a")


@pytest.mark.parametrize("question", [{"logits": []}, {"logits": [-1]}, {"logits": ["a"]}, {"logits": [1] * 2000}, {}])
def test_questions_are_refused_in_words(question, tales):
    with pytest.raises((TypeError, ValueError), match=r"ids|question"):
        NextToken(*tales, "One day").answer(question)
