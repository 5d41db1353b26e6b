"""Guesses in any form, and what is said about each. Run: pytest tests/exercises/test_predictions.py"""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

from lmcourse.exercises import topic
from lmcourse.exercises.predictions import Prediction

COUNT = Prediction(24, "")
SIZE = Prediction(6_000_000_000, "", unit="bytes")
PARAMETERS = Prediction(7e9, "", tolerance=0.05)
LOSS = Prediction(math.log(50), "", tolerance=0.03)
SHARE = Prediction(0.25, "", tolerance=0.02, unit="share")
PER_CENT = Prediction(25, "", tolerance=0.02, unit="%")
SMALL = Prediction(3 * 2.0**-24, "", remarks={2.0**-24: "The smallest.", 2.0**-14: "The smallest normal one."})
WORD = Prediction("stall", "")
ORDER = Prediction("BADC", "")
STRIDES = Prediction((6, 2, 1), "")
PARTS = Prediction([b"lo", b"w"], "")
SUMS = Prediction([0.5, 1.5], "")
YES = Prediction(True, "")


@pytest.mark.parametrize(
    ("prediction", "guess"),
    [
        (COUNT, 24), (COUNT, "24"), (COUNT, " 24. "), (COUNT, 24.0), (COUNT, np.int64(24)), (COUNT, torch.tensor([24])),
        (COUNT, Fraction(48, 2)), (COUNT, Decimal(24)), (COUNT, "4 * 6"), (COUNT, "24 tokens"), (COUNT, "≈ 24"),
        (SIZE, "6e9"), (SIZE, "6,000,000,000"), (SIZE, "6 000 000 000"), (SIZE, "6_000_000_000"), (SIZE, "6 GB"),
        (SIZE, "6000 MB"), (SIZE, 6e9), (PARAMETERS, "7B"), (PARAMETERS, "7 billion"), (PARAMETERS, "7.1e9"),
        (LOSS, "3.9"), (LOSS, "ln(50)"), (LOSS, "log(50)"), (LOSS, "3,91"), (LOSS, np.float32(3.912)),
        (SHARE, 0.25), (SHARE, "25%"), (SHARE, "25 per cent"), (SHARE, 25), (SHARE, "1/4"),
        (PER_CENT, 25), (PER_CENT, "25 %"), (PER_CENT, 0.25), (PER_CENT, "25"),
        (SMALL, "3 * 2^-24"), (SMALL, 1.788e-7), (SMALL, "1.79e-07"),
        (WORD, "Stall"), (WORD, " 'stall' "), (ORDER, "B A D C"), (ORDER, "b, a, d, c"), (ORDER, list("BADC")),
        (STRIDES, [6, 2, 1]), (STRIDES, "(6, 2, 1)"), (STRIDES, "6 2 1"), (STRIDES, np.array([6, 2, 1])),
        (STRIDES, ("6", 2, 1.0)), (PARTS, (b"lo", b"w")), (PARTS, ["lo", "w"]), (PARTS, "[b'lo', b'w']"),
        (PARTS, "lo|w"), (PARTS, "lo w"), (PARTS, "lo | w"),
        (SUMS, torch.tensor([0.5, 1.5])), (YES, True), (YES, "yes"), (YES, np.True_),
    ],
    ids=repr,
)  # fmt: skip
def test_a_right_guess_is_understood(prediction, guess):
    assert prediction.is_readable(guess) and prediction.is_right(guess)


@pytest.mark.parametrize(
    ("prediction", "guess"),
    [
        (COUNT, 23), (COUNT, "42"), (COUNT, True), (COUNT, "24%"), (COUNT, math.nan), (COUNT, [24, 1]), (COUNT, "2,4"),
        (SIZE, 6), (SIZE, "6 GiB"), (PARAMETERS, "7"), (LOSS, "5.6"), (SHARE, "0.25%"), (SHARE, 2.5),
        (PER_CENT, "0.25%"), (PER_CENT, 2500), (SMALL, 5.96e-8), (SMALL, 2e-7), (WORD, "stalls"), (WORD, "move"),
        (ORDER, "ABCD"), (STRIDES, [1, 2, 6]), (STRIDES, [6, 2]), (STRIDES, 6), (PARTS, [b"l", b"ow"]),
        (YES, False), (YES, 1), (YES, "perhaps"),
    ],
    ids=repr,
)  # fmt: skip
def test_a_wrong_guess_stays_wrong(prediction, guess):
    assert not prediction.is_right(guess)


@pytest.mark.parametrize("guess", ["", "abc", object(), [1, 2], {}, "9**9**9**9", "__import__('os')"])
def test_what_is_no_number_is_asked_for_again(guess):
    assert not COUNT.is_right(guess) and not COUNT.is_readable(guess)
    assert COUNT.kind() == "A number is asked, such as 12 or 3.5e9"


@pytest.mark.parametrize(
    ("prediction", "guess", "words"),
    [
        (PARAMETERS, 7, "the unit is another"),
        (PARAMETERS, "7 million", "the unit is another"),
        (SIZE, "6 GiB", "1024³"),
        (SIZE, 48e9, "8 bits"),
        (SHARE, "0.25%", "per cent"),
        (PER_CENT, 2500, "per cent"),
        (COUNT, -24, "sign"),
        (COUNT, 20, "Too low."),
        (COUNT, "1000", "Too high, by more than a factor of ten."),
        (SMALL, 5.96e-8, "The smallest."),
        (SMALL, "5.96e-08", "The smallest."),
        (SMALL, 6.1e-5, "The smallest normal one."),
        (COUNT, 0, "Too low."),
        (STRIDES, [6, 1, 2], "The first value is right. Look at the second."),
        (STRIDES, [6, 2, 2], "The first 2 values are right."),
        (STRIDES, [6, 2], "There are 3 values"),
        (WORD, "move", "another one"),
    ],
    ids=repr,
)
def test_a_nudge_names_the_mistake_and_not_the_answer(prediction, guess, words):
    nudge = prediction.nudge(guess)
    assert words in nudge and str(prediction.answer) not in nudge


@pytest.mark.parametrize(
    ("topic_name", "key", "guess", "said"),
    [
        *(("start", "first_loss", guess, "Too low.") for guess in (5, 5.1)),
        ("start", "first_loss", 6, "Too high."),
        ("tokenization", "bytes", 19, "Too low."),
        *(("tokenization", "bytes", guess, "Too high.") for guess in (21, 22)),
        ("tokenization", "overlaps", 0, "Too low."),
        *(
            ("tokenization", "rank", guess, "That is from left to right.")
            for guess in (["ab", "c"], [b"ab", b"c"], "ab|c", "ab c")
        ),
        ("strides", "double_add", [1, 1, 1, 1], "The first value is right. Look at the second."),
    ],
    ids=repr,
)
def test_what_a_near_miss_is_told(topic_name, key, guess, said):
    prediction = topic(topic_name).predictions[key]
    assert not prediction.is_right(guess) and prediction.nudge(guess) == said


@pytest.mark.parametrize(
    ("topic_name", "key", "guesses"),
    [
        ("start", "first_loss", ["ln 280", "math.log(280)", "about 5.6", "= 5.63", [5.63]]),
        ("strides", "double_add", ["tensor([1., 2., 2., 1.])", "[1. 2. 2. 1.]"]),
        ("strides", "copies", ["B and C", {"B", "C"}, "B & C", "B+C"]),
        ("axes", "pixels_last", ["a view", "It is a view."]),
        ("flops", "backward_ratio", ["1.2×", "1.2 x", "6/5"]),
        ("initialization", "absolute_bound", ["±384", "+-384", "3 * 128"]),
        ("data_loading", "wrap", ["70000 % 65536", "70_000 - 2^16"]),
        ("data_loading", "coverage", ["1 - 1/e", "1-exp(-1)", "63 %"]),
        ("optimizers", "adam_first_step", ["0,001", "10^-3"]),
        ("optimizers", "momentum_length", ["10 times as long", "10x"]),
        ("optimizers", "adamw_state", ["8 bytes per parameter", "2 x 4"]),
        ("strides", "kept_alive", ["4.000.000", "4 MB"]),
        ("tokenization", "rank", ["a|bc", "a bc", [b"a", b"bc"], ["a", "bc"], "a / bc", "'a' + 'bc'"]),
        ("tokenization", "rank", [[97, 256], (97, 256)]),
        ("training", "perplexity", ["1,024", np.float32(1030)]),
        ("training", "left_out", [" rng "]),
        ("training", "cache", ["119", torch.tensor(119)]),
        (
            "training",
            "gallery",
            ["cebda", "C E B D A", "C > E > B > D > A", "C→E→B→D→A", np.array(list("CEBDA")), b"CEBDA"],
        ),
    ],
)
def test_right_guesses_in_more_forms(topic_name, key, guesses):
    prediction = topic(topic_name).predictions[key]
    assert [prediction.is_right(guess) for guess in guesses] == [True] * len(guesses)


@pytest.mark.parametrize(
    ("topic_name", "key", "guesses"),
    [
        ("start", "first_loss", ["log2(280)", "1/280", "-ln 280", [5.63, 5.63]]),
        ("strides", "copies", ["A, B and C", {"B"}, "B and D"]),
        ("axes", "pixels_last", ["a copy", "the"]),
        ("data_loading", "coverage", ["1/e", "37 %"]),
        ("optimizers", "adam_first_step", ["0,01", "1"]),
        ("tokenization", "rank", [[256, 97]]),
        ("training", "perplexity", [10]),
        ("training", "left_out", ["Optimizer"]),
        ("training", "gallery", ["ABCDE"]),
        ("training", "cache", [120, 6950.0]),
    ],
)
def test_wrong_guesses_in_more_forms(topic_name, key, guesses):
    prediction = topic(topic_name).predictions[key]
    assert not any(prediction.is_right(guess) for guess in guesses)
