"""Run me with: pytest tests/training/test_stories.py

Oracles: the text itself, PyTorch's cross-entropy, and a model whose parts count how often they are called.
"""

import json
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lmcourse.model import ModelConfig, Parts, TransformerLM, block, rms_norm
from lmcourse.recorded import recorded_stories
from lmcourse.support import tales
from lmcourse.training import (
    Teller,
    load_stories,
    loss_by_kind,
    make_model,
    pictures,
    rules_kept,
    stories,
    story_recipe,
    tell,
    trials,
)


@pytest.fixture(scope="module")
def data():
    return load_stories()


def test_every_word_of_a_story_is_one_token(data):
    story = tales.text().split("\n\n")[0]
    tokens = [data.tokenizer.decode([token]).strip() for token in data.tokenizer.encode(story)]
    assert [token for token in tokens if token.isalpha()] == re.findall(r"[A-Za-z]+", story)


def test_every_window_of_a_run_begins_at_a_story_and_every_story_comes_once(data):
    sampler = data.story_batches().sampler
    starts = np.concatenate([next(sampler) for _ in range(len(sampler))])[: sampler.num_windows]
    assert len(set(starts.tolist())) == sampler.num_windows == len(sampler.stories)
    for start in starts[:50]:
        assert "\n\n" in data.tokenizer.decode(data.learn[start : start + 3].tolist())


def test_a_story_sampler_goes_on_where_it_was_left(data):
    first, second = data.story_batches(), data.story_batches()
    for _ in range(3):
        next(first)
    second.load_state_dict(first.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(next(first), next(second)))


def test_the_longest_story_fits_the_context(data):
    longest = max(len(data.tokenizer.encode(story)) for story in tales.text().split("\n\n"))
    assert longest + 3 <= story_recipe("cpu").context_length


def test_stories_are_told_alike_for_a_seed_and_leave_the_dice_alone(data):
    model, before = data.small_model(), torch.get_rng_state()
    one, same, other = (tell(model, data.tokenizer, 3, seed=seed) for seed in (1, 1, 2))
    assert one == same != other and len(one) == 3
    assert torch.equal(torch.get_rng_state(), before) and model.training


def test_what_the_grammar_tells_keeps_every_rule_and_noise_keeps_none():
    assert set(rules_kept(tales.text().split("\n\n")[:50]).values()) == {1.0}
    assert rules_kept(["zzz", ""]) == dict.fromkeys(tales.RULES, 0.0)


def test_a_teller_keeps_all_that_was_told(data):
    teller = Teller(data.small_model(), data.tokenizer, count=2)
    assert teller.story() == teller.told[0][0] and set(teller.rules()) == set(tales.RULES)
    teller.story()
    assert len(teller.told) == 2


def test_the_losses_of_all_kinds_are_the_loss(data):
    model = data.small_model()
    kinds = loss_by_kind(model, data.tokenizer, data.valid, windows=8)
    starts = stories.story_starts(data.valid[:-33], data.tokenizer)[:8]
    x = torch.from_numpy(np.stack([data.valid[s : s + 33] for s in starts]).astype(np.int64))
    want = F.cross_entropy(model(x[:, :-1]).flatten(0, 1), x[:, 1:].flatten()).item()
    assert kinds["all"][0] == pytest.approx(want, rel=1e-5)
    assert sum(share for kind, (_, share) in kinds.items() if kind != "all") == pytest.approx(1, rel=1e-5)


def test_a_model_computes_with_the_parts_that_it_is_given(data):
    calls = []

    def counted(x, *parts):
        calls.append(x.shape)
        return block(x, *parts)

    model = make_model(data.recipe, data.tokenizer.vocab_size, Parts(block=counted))
    model(torch.zeros(1, 4, dtype=torch.long))
    assert len(calls) == data.recipe.num_layers
    wrong = make_model(data.recipe, data.tokenizer.vocab_size, Parts(rms_norm=lambda x, gain: 2 * rms_norm(x, gain)))
    ids = torch.arange(4)[None]
    assert not torch.allclose(model(ids), wrong(ids))


def test_without_its_mask_a_model_sees_the_next_token():
    config = ModelConfig(11, 8, d_model=16, num_layers=1, num_heads=2, d_ff=16)
    torch.manual_seed(0)
    model = TransformerLM(config, parts=trials._parts("no mask"))
    ids, changed = torch.arange(8)[None], torch.arange(8)[None].clone()
    changed[0, 7] = 9
    assert not torch.allclose(model(ids)[0, 0], model(changed)[0, 0])


def test_names_of_lines_that_end_together_lie_apart():
    places = pictures._apart({"a": 1.0, "b": 1.0, "c": 0.5}, 0.1)
    assert places["a"] - places["b"] == pytest.approx(0.1) and places["c"] == 0.5


def test_the_recorded_run_keeps_the_rules_one_after_another():
    told = recorded_stories()["told"]
    assert [row["step"] for row in told] == sorted(row["step"] for row in told)
    assert told[-1]["rules"]["spelled"] > 0.95 and told[-1]["loss"] < told[0]["loss"]
    first = {
        rule: next((k for k, row in enumerate(told) if row["rules"][rule] > 0.9), 99) for rule in ("spelled", "name")
    }
    assert first["spelled"] < first["name"]
    assert len(json.dumps(told)) < 100_000
