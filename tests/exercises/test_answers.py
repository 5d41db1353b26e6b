"""Answers as readers write them, judged as they deserve. Run: pytest tests/exercises/test_answers.py

Right ones are taken, and fast; wrong ones are refused, and their card says why. The tables are in answers/<topic>.py.
"""

import importlib
import statistics
import time

import einops
import pytest

from lmcourse import strides
from lmcourse.exercises import topic, topic_names
from lmcourse.exercises.judging import judge

answers = importlib.import_module("exercises.answers")
tokenization = importlib.import_module("exercises.answers.tokenization")
initialization = importlib.import_module("exercises.answers.initialization")
reader = importlib.import_module("exercises.answers.strides")

WRONG = [(name, exercise, code) for name in topic_names() for exercise, code in answers.of(name, "WRONG")]


@pytest.mark.parametrize("name", topic_names())
def test_right_answers_are_taken_in_less_than_two_seconds_and_half_of_them_in_a_third_of_one(name):
    """Every reference, and every answer in another style; the worked answers count as the reader's do."""
    asked, seconds, refused = topic(name).exercises, {}, {}
    for exercise, code in [*((key, each.reference) for key, each in asked.items()), *answers.of(name, "RIGHT")]:
        begun = time.process_time()
        outcome = judge(asked[exercise], code)
        seconds[exercise, code] = time.process_time() - begun
        refused |= {(exercise, code): outcome} if outcome.state != "correct" else {}
    assert refused == {}
    assert max(seconds.values()) < 2.0 and statistics.median(seconds.values()) < 0.3, seconds


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize(("name", "exercise", "code"), WRONG, ids=lambda value: getattr(value, "__name__", value))
def test_a_wrong_answer_is_refused_with_a_counterexample(name, exercise, code, nameless):
    outcome = judge(topic(name).exercises[exercise], code)
    assert outcome.state == "wrong" and outcome.call and outcome.note


@pytest.mark.parametrize(
    ("exercise", "code", "known"),
    [
        ("compression_ratio", "ratio_asks_for_a_list", "empty tuple"),
        ("merge_pair", "merge_list_against_tuple", "is a list"),
        ("merge_pair", "merge_only_where_needed", "not a new one"),
        ("merge_round", "round_that_forgets_tie", "not given to best_pair"),
        ("train_bpe", "train_without_room", "on top of vocab_size"),
        ("encode", "encode_joined", "joined bytes"),
        ("merge_pair", "merge_stays_at_the_new_id", "step past the new id"),
        ("merge_round", "round_of_sorted_words", "sorted"),
        ("train_bpe", "train_specials_sorted", "sorted"),
    ],
)
def test_a_known_mistake_is_named(exercise, code, known):
    assert known in judge(topic("tokenization").exercises[exercise], getattr(tokenization, code)).known


def test_a_card_of_a_round_does_not_write_out_the_vocabulary():
    outcome = judge(topic("tokenization").exercises["merge_round"], tokenization.round_of_sorted_words)
    assert ", vocab, 25" in outcome.call and "b'" not in outcome.call


def test_a_card_shows_the_numbers_of_a_property():
    outcome = judge(topic("initialization").exercises["trunc_normal_"], initialization.a_uniform)
    assert "std" in outcome.note and "wanted" in outcome.note and "±" in outcome.note


def test_the_reason_is_what_is_shown_of_einops_error():
    def heads_of_four_axes(x, heads):
        return einops.rearrange(x, "b t h d -> b h t d")

    got = judge(topic("axes").exercises["split_heads"], heads_of_four_axes).got
    assert got == "EinopsError: Wrong shape: expected 4 dims. Received 3-dim tensor."


def test_a_none_is_a_missing_return_only_where_it_is_never_right():
    can_view, fresh = (topic("strides").exercises[name] for name in ("can_view", "contiguous_strides"))
    assert judge(can_view, lambda shape, steps, new_shape: None).note == "None, where (1,) is wanted"
    assert judge(can_view, reader.view_never_counts).note == "a tuple, where None is wanted"
    assert "is there a return missing?" in judge(fresh, lambda shape: strides.contiguous_strides(shape) and None).note
