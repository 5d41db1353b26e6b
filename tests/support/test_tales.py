"""Run: pytest tests/support/test_tales.py"""

import hashlib
import random

import pytest

from lmcourse.support import corpus, tales

STORY = (
    "Once there was a shy fox named Mia. Her grandmother gave her a red ball. Then it began to rain. "
    "So she hid the ball under a leaf to keep it dry. Then Tom came along, and Mia showed him the ball. "
    '"Come and play with me," Mia said to Tom. Mia went home and slept well.'
)


def broken(story: str) -> set[str]:
    return {rule for rule, kept in tales.rules(story).items() if not kept}


def test_every_story_that_is_told_keeps_every_rule():
    dice = random.Random(1)
    for _ in range(10_000):
        story = tales.tell(dice)
        assert broken(story) == set(), story


def test_a_sentence_has_one_form_only():
    dice = random.Random(2)
    for story in (tales.tell(dice) for _ in range(200)):
        for sentence in tales.sentences(story):
            forms = [form.text for part in tales.BY_PART.values() for form in part if form.pattern.fullmatch(sentence)]
            assert len(forms) == 1, (sentence, forms)


def test_the_text_is_large_rich_and_the_same_everywhere():
    text = corpus.load("tales")
    assert 2_000_000 <= len(text) < 2_001_000 and text.isascii()
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "5ed32e38516c03877d8b6dbac7c29022ff6eb451ce736512979016908d8a7178"
    )
    stories = text.strip().split("\n\n")
    assert len(set(stories)) > 0.99 * len(stories)
    assert sum(map(len, tales.BY_PART.values())) >= 60 and len(tales.WORDS) >= 400
    assert {len(tales.sentences(story)) for story in stories} == {6, 7, 8}


def test_global_dice_change_nothing():
    random.seed(5)
    first = tales.text(seed=3, characters=5000)
    tales.text.cache_clear()
    random.seed(6)
    assert tales.text(seed=3, characters=5000) == first != tales.text(seed=4, characters=5000)


@pytest.mark.parametrize(
    ("old", "new", "rules"),
    [
        ("slept well", "slept wel", {"spelled", "formed", "ends"}),
        ("slept well", "well slept", {"formed", "ends"}),
        ("So she hid", "So he hid", {"pronoun"}),
        ("Her grandmother", "His grandmother", {"pronoun"}),
        ("gave her a", "gave him a", {"pronoun"}),
        ("showed him", "showed her", {"pronoun"}),
        ("shy fox", "shy boy", {"pronoun"}),
        ("hid the ball", "hid the kite", {"thing"}),
        ("red ball", "torn ball", {"thing"}),
        ("Mia went home", "Ella went home", {"name"}),
        ("Mia went home", "Tom went home", {"name", "pronoun"}),
        ("said to Tom", "said to Ben", {"name"}),
        ("Mia said to Tom", "Tom said to Mia", {"name", "pronoun"}),
        ("Once there was a shy fox named Mia. ", "", {"name"}),
        ("Then it began to rain.", "Suddenly a strong wind blew.", {"cause"}),
        ("Then it began to rain. ", "", {"cause"}),
        (" So she hid the ball under a leaf to keep it dry.", "", {"cause"}),
        (" Mia went home and slept well.", "", {"ends"}),
        ("Her grandmother", "Mia went home and slept well. Her grandmother", {"ends"}),
        (" So she", " So she put on two pairs of socks. So she", {"cause"}),
    ],
)
def test_a_planted_fault_breaks_its_rule_and_no_other(old, new, rules):
    assert broken(STORY) == set() and STORY.count(old) == 1
    assert broken(STORY.replace(old, new)) == rules


def test_a_change_of_place_is_found():
    ball = STORY.replace("Her grandmother gave her a red ball.", "Mia found a red ball in the park.")
    assert broken(ball) == set()
    assert broken(ball.replace("Once there was a shy fox named Mia.",
                               "One morning, a shy fox named Mia walked to the mill.")) == {"place"}  # fmt: skip


def test_too_few_and_too_many_sentences_do_not_end_well():
    short = "Once there was a shy fox named Mia. She had a red ball. Mia went home and slept well."
    assert broken(short) == {"cause", "ends"}
    long = STORY.replace("Then it began", "She had a red ball. She had a red ball. Then it began")
    assert broken(long) == {"ends"}


@pytest.mark.parametrize("text", ["", " ", "the the the", "?", "<|endoftext|>", "Mia", "12"])
def test_what_is_no_story_keeps_no_rule_of_a_story(text):
    assert {"formed", "pronoun", "thing", "place", "name", "cause", "ends"} <= broken(text)


def test_new_is_what_the_training_text_does_not_hold():
    text = tales.text(seed=9, characters=3000)
    assert not tales.rules(text.split("\n\n")[1], text)["new"]
    assert tales.rules(STORY, text)["new"] and "new" not in tales.rules(STORY)
