"""What is asked again, and when: the schedule, the predictions with other numbers, review() and its book.

Run: pytest tests/exercises/test_review.py (the book's page: tests/browser/test_review_in_the_book.py)
"""

import functools
import json
import random
import re
import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lmcourse.exercises import again, progress, review, reviewing, schedule, topic, topic_names
from lmcourse.exercises.predictions import Prediction

HERE = Path(__file__).parent
NOW = date(2026, 11, 28)
HOSTILE = '<img src=x onerror="boom()">'

days = st.dates(date(2026, 9, 1), date(2027, 2, 1)).map(date.isoformat)
tries = st.dictionaries(days, st.sampled_from(schedule.STATES), min_size=1, max_size=8)
files = st.dictionaries(st.sampled_from(["a.b", "a.c", "d.predict.e", "d.quiz.0"]), tries)
todays = st.dates(date(2026, 9, 1), date(2027, 2, 1))


def later(day: date, count: int) -> date:
    return day + timedelta(count)


# The schedule


def test_right_answers_come_after_1_3_7_21_and_60_days_and_a_wrong_one_goes_one_back():
    known, day, gaps = {NOW.isoformat(): "wrong"}, NOW, []
    for state in [*["correct"] * 5, "wrong", "wrong", "correct", *["wrong"] * 5]:
        due = schedule.standing(known, later(day, 400))[1]
        gaps.append((due - day).days)
        day, known = due, known | {due.isoformat(): state}
    assert gaps == [1, 3, 7, 21, 60, 60, 21, 7, 21, 7, 3, 1, 1]


def test_an_answer_before_it_is_due_changes_nothing():
    known = {"2026-11-01": "correct", "2026-11-02": "correct"}  # due on the 5th
    early = known | {"2026-11-03": "wrong", "2026-11-04": "correct"}
    assert schedule.standing(early, NOW) == schedule.standing(known, NOW) == (1, date(2026, 11, 5))


@given(files, files, files)
def test_files_merge_in_any_order_and_any_number_of_times_and_no_day_is_lost(one, other, third):
    merged = schedule.merged
    both = merged(one, other)
    assert both == merged(other, one) == merged(both, one) == merged(both, both)
    assert merged(both, third) == merged(one, merged(other, third))
    for key in one | other:
        assert set(both[key]) == set(one.get(key, {})) | set(other.get(key, {}))


@given(tries, todays, st.integers(1, schedule.AHEAD))
def test_a_clock_that_goes_back_loses_nothing_and_asks_nothing_twice(known, today, back):
    """Answered today, then the clock goes some days back: it is known as well as before, and is not due."""
    known = {day: state for day, state in known.items() if day < today.isoformat()}
    step, due = schedule.standing(known, today)
    if known and due <= today:
        once = known | {today.isoformat(): "correct"}
        assert schedule.standing(once, today)[0] == min(step + 1, len(schedule.DAYS) - 1)
        assert schedule.standing(once, later(today, -back)) == schedule.standing(once, today)
        assert schedule.plan({"a": once}, {"a": 1.0}, later(today, -back)) == []


@given(tries, todays)
def test_what_is_known_comes_again_whatever_the_clock_said(known, today):
    """Days far ahead, by a clock that was wrong, keep nothing away; and nobody waits longer than the last gap."""
    known = known | {"2190-01-01": "correct"}
    assert schedule.standing(known, today)[1] <= later(today, schedule.AHEAD + schedule.DAYS[-1])
    assert schedule.standing({"2190-01-01": "correct"}, today) == (0, today)


@given(files, todays)
def test_a_day_has_ten_minutes_and_what_was_answered_counts(known, today):
    minutes = dict.fromkeys(known, 3.0)
    states = dict(known)
    asked = []
    while plan := schedule.plan(states, minutes, today):
        asked.append(plan[0])
        states = schedule.merged(states, {plan[0]: {today.isoformat(): "wrong"}})
    assert len(asked) == len(set(asked)) and 3 * len(asked) <= schedule.MINUTES


def test_what_has_come_furthest_comes_first_then_what_was_due_last_and_the_rest_waits():
    known = {f"a.{k}": {later(NOW, -10 - k % 7).isoformat(): "wrong"} for k in range(30)}
    known["b.far"] = {later(NOW, -90).isoformat(): "seen", later(NOW, -80).isoformat(): "correct"}
    minutes = dict.fromkeys(known, 1.0)
    first = schedule.plan(known, minutes, NOW)
    assert len(first) == 10 and first[:6] == ["b.far", "a.0", "a.14", "a.21", "a.28", "a.7"]
    done = schedule.merged(known, {key: {NOW.isoformat(): "correct"} for key in first})
    assert schedule.plan(done, minutes, NOW) == []
    second = schedule.plan(done, minutes, later(NOW, 1))
    assert len(second) == 10 and not set(second) & set(first)
    assert len(schedule.plan(known, dict.fromkeys(known, 3.0), NOW)) == 3


def test_two_devices_on_one_day_count_one_answer():
    known = {"a.b": {"2026-11-01": "wrong"}}
    here, there = (schedule.merged(known, {"a.b": {"2026-11-28": state}}) for state in ("correct", "wrong"))
    assert schedule.standing(schedule.merged(here, there)["a.b"], NOW) == (0, date(2026, 11, 29))


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_book_has_the_same_schedule():
    dice, cases = random.Random(0), []

    def tries():
        states = {}
        for _ in range(dice.randint(1, 9)):
            states[later(NOW, dice.randint(-200, 40)).isoformat()] = dice.choice(schedule.STATES)
        return states

    bad = ["", "2026-02-30", "2026-13-01", "0000-01-01", "9999-12-31", "20261128", "2026-11-28T10:00", HOSTILE]
    for _ in range(300):
        one, other = ({key: tries() for key in dice.sample("abcdefghijklmnop", dice.randint(1, 16))} for _ in "12")
        minutes = {key: dice.choice((1, 3)) for key in "abcdefghijklmn"}
        hostile = {"a": {dice.choice(bad): "wrong", "2026-11-01": "wrong"}, "b": dice.choice((3, [], {}, None, "x"))}
        hostile |= {"__proto__": {"2026-11-01": "correct"}, "c": {"2026-11-02": dice.choice(("fine", 1, ["seen"]))}}
        cases.append({"one": one, "other": other, "minutes": minutes, "today": NOW.isoformat(), "hostile": hostile})
    command = ["node", str(HERE / "schedule.mjs")]
    told = json.loads(
        subprocess.run(command, input=json.dumps(cases), capture_output=True, text=True, check=True).stdout
    )
    for case, found in zip(cases, told, strict=True):
        both = schedule.merged(case["one"], case["other"])
        assert found["merged"] == both
        assert found["plan"] == schedule.plan(both, case["minutes"], NOW)
        assert found["readable"] == schedule.readable(case["hostile"])
        for key, each in both.items():
            step, due = schedule.standing(each, NOW)
            assert found["standing"][key] == {"step": step, "due": due.isoformat()}


def test_then_and_now_counts_what_was_answered_on_both_days():
    known = {
        "a": {"2026-11-25": "wrong", "2026-11-28": "correct"},
        "b": {"2026-11-20": "wrong", "2026-11-24": "correct", "2026-11-28": "correct"},
        "c": {"2026-11-26": "wrong", "2026-11-28": "correct"},  # two days are not three
        "d": {"2026-11-20": "seen", "2026-11-28": "correct"},
        "e": {"2026-11-25": "correct", "2026-11-28": "wrong"},
    }
    assert schedule.then_and_now(known, NOW) == (3, 2, 2)
    assert schedule.then_and_now(known, later(NOW, 1)) == (0, 0, 0)


# Progress with its days


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LMCOURSE_DATA", str(tmp_path / "data"))


@pytest.fixture
def clock(monkeypatch):
    """`clock(day)` sets the day."""

    def to(day: date) -> None:
        monkeypatch.setattr(progress, "today", lambda: day)

    to(NOW)
    return to


def test_the_day_is_that_of_utc_wherever_the_clock_stands(monkeypatch):
    for hours in (-12, -5, 0, 5.5, 14):
        moment = datetime(2026, 11, 28, 12, tzinfo=UTC).astimezone(timezone(timedelta(hours=hours)))

        class Clock(datetime):
            @classmethod
            def now(cls, tz=None, moment=moment):
                return moment.astimezone(tz)

        monkeypatch.setattr(progress, "datetime", Clock)
        assert progress.today() == NOW


def test_the_first_time_is_kept_with_its_day_and_a_notebook_that_is_run_again_is_no_answer(clock):
    progress.record("strides.offset", "wrong")
    clock(later(NOW, 1))
    progress.record("strides.offset", "correct")
    assert progress.dates() == {"strides.offset": {"2026-11-28": "wrong"}}
    assert progress.load() == {"strides.offset": "correct"}
    progress.forget("strides.offset")
    assert progress.dates() == {"strides.offset": {"2026-11-28": "wrong"}} and progress.load() == {}


def test_only_the_first_answer_of_a_day_counts(clock):
    progress.met("a.quiz.1", "a.quiz.2")
    clock(later(NOW, 1))
    progress.answered("a.quiz.1", "wrong")
    progress.answered("a.quiz.1", "correct")
    assert progress.dates()["a.quiz.1"] == {"2026-11-28": "seen", "2026-11-29": "wrong"}


def test_an_old_file_is_read_and_what_it_holds_is_due_tomorrow(clock, tmp_path):
    progress.path().parent.mkdir()
    progress.path().write_text('{"strides.offset": "correct", "strides.predict.kept_alive": "wrong"}', encoding="utf-8")
    assert progress.load() == {"strides.offset": "correct", "strides.predict.kept_alive": "wrong"}
    assert reviewing.due() == []
    clock(later(NOW, 1))
    assert {item.key for item in reviewing.due()} == {"strides.offset", "strides.predict.kept_alive"}
    old = tmp_path / "old.json"
    old.write_text('{"start.shift_by_one": "correct"}', encoding="utf-8")
    for day in (1, 2):
        clock(later(NOW, day))
        progress.restore(old)
    assert progress.dates()["start.shift_by_one"] == {"2026-11-29": "seen"}


def test_two_devices_that_exchange_files_know_the_same(clock, tmp_path, monkeypatch):
    exported = {}
    for device, day, state in (("laptop", 0, "wrong"), ("desk", 3, "correct")):
        monkeypatch.setenv("LMCOURSE_DATA", str(tmp_path / device))
        clock(later(NOW, day))
        progress.record("strides.predict.kept_alive", state)
        progress.answered("strides.predict.copies", state)
        exported[device] = tmp_path / f"{device}.json"
        progress.export(exported[device])
    known = []
    for device, other in (("laptop", "desk"), ("desk", "laptop")):
        monkeypatch.setenv("LMCOURSE_DATA", str(tmp_path / device))
        for _ in range(2):
            progress.restore(exported[other])
        known.append(progress.export())
    assert known[0] == known[1] and json.loads(known[0])["strides.predict.kept_alive"] == "correct"
    assert progress.dates()["strides.predict.copies"] == {"2026-11-28": "wrong", "2026-12-01": "correct"}


@pytest.mark.parametrize(
    "dates", ['{"a": 3}', "[]", '{"a": {"soon": "correct"}}', f'{{"a": {{"2026-11-28": {json.dumps(HOSTILE)}}}}}']
)
def test_days_that_cannot_be_read_are_refused_in_an_export_and_left_out_of_ones_own(tmp_path, clock, dates):
    file = tmp_path / "other.json"
    file.write_text(f'{{"strides.offset": "correct", "dates": {dates}}}', encoding="utf-8")
    with pytest.raises(ValueError, match="its dates cannot be read"):
        progress.restore(file)
    progress.path().parent.mkdir()
    shutil.copy(file, progress.path())
    assert progress.dates() == {"strides.offset": {"2026-11-28": "seen"}}


def test_a_folder_that_cannot_be_written_costs_the_memory_only(clock, tmp_path, monkeypatch, cards):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("LMCOURSE_DATA", str(tmp_path / "file" / "below"))
    review()
    review("strides.predict.copies", "BC")
    assert "keeps nothing" in cards[1].plain()


# Predictions with other numbers


def test_every_prediction_is_asked_again_or_says_why_not():
    all_ = {f"{name}.{key}" for name in topic_names() for key in topic(name).predictions}
    assert set(again.ASKED) | set(again.LEFT_OUT) == all_ and not set(again.ASKED) & set(again.LEFT_OUT)


@pytest.mark.parametrize("key", again.ASKED)
def test_a_prediction_has_other_numbers_by_the_day_and_takes_its_own_answer(key):
    found = [again.asked(key, number) for number in range(again.VARIANTS)]
    assert [again.asked(key, later(NOW, k)).text for k in range(8)] == [
        found[(NOW.toordinal() + k) % 8].text for k in range(8)
    ]
    if found[0].answer is None:
        assert len({each.text for each in found}) == 1
        return
    assert len({each.text for each in found}) >= 4, "other numbers"
    for each in found:
        mine = Prediction(each.answer, each.why, each.tolerance, {}, each.unit, each.also)
        said = ", ".join(map(str, each.answer)) if isinstance(each.answer, list | tuple) else str(each.answer)
        assert mine.is_right(each.answer) and mine.is_right(said) and not mine.is_right("12.75")
        assert each.text.endswith(("?", "commas.")) and each.why.endswith(".")


def _numbers(text: str) -> list[int]:
    return [int(each.replace(",", "")) for each in re.findall(r"\d[\d,]*\d|\d", text)]


def _counted(digits: int) -> float:
    """Where adding 1 changes nothing when every sum is rounded to so many binary digits, ties to even."""
    x = 2
    while _rounded(x + 1, digits) > x:
        x *= 2
    return float(x)


def _rounded(number: int, digits: int) -> int:
    spacing = 2 ** max(0, number.bit_length() - digits)
    return round(number / spacing) * spacing


REAL = {
    "tokenization.bytes": lambda text: len(text.removeprefix("How many UTF-8 bytes has ")[:-1].encode()),
    "tokenization.overlaps": lambda text: text.partition(":")[0].count("aa"),
    "float_formats.past_the_largest": lambda text: torch.tensor(float(_numbers(text)[-1])).half().item(),
    "float_formats.counting": lambda text: _counted(_numbers(text)[0]),
    "strides.double_add": lambda text: (
        (n := _numbers(text)) and (zeros := torch.zeros(n[0])).as_strided((n[1], 2), (1, 1)).add_(1) is not None
        and zeros.tolist()
    ),
    "strides.kept_alive": lambda text: (
        (n := _numbers(text)) and torch.zeros(n[0], n[1])[0, : n[3]].untyped_storage().nbytes()
    ),
    "axes.d_h": lambda text: (
        (n := _numbers(text)) and tuple(torch.arange(n[0]).view(-1, n[1]).T[0].tolist())
    ),
    "data_loading.wrap": lambda text: int(np.array([_numbers(text)[0]]).astype(np.uint16)[0]),
    "initialization.absolute_bound": lambda text: (n := _numbers(text))[2] * n[3] ** 0.5,
}  # fmt: skip


@pytest.mark.parametrize("key", REAL)
def test_the_answer_is_what_the_real_thing_gives(key):
    for number in range(again.VARIANTS):
        asked = again.asked(key, number)
        got = REAL[key](asked.text)
        assert Prediction(asked.answer, "", asked.tolerance, {}, asked.unit).is_right(got), (asked.text, got)


def test_adam_and_adagrad_are_as_long_as_said():
    for key, make in (("adam_first_step", torch.optim.Adam), ("adagrad_step", torch.optim.Adagrad)):
        for number in range(again.VARIANTS):
            asked = again.asked(f"optimizers.{key}", number)
            numbers = [float(each.replace(",", "")) for each in re.findall(r"\d[\d.,e-]*\d|\d", asked.text)]
            rate, gradient, steps = (*numbers, 1) if key.startswith("adam_") else (numbers[0], numbers[1], numbers[2])
            weight = torch.zeros(1, dtype=torch.float64, requires_grad=True)
            optimizer = make([weight], lr=rate)
            for _ in range(int(steps)):
                before, weight.grad = weight.item(), torch.full_like(weight, gradient)
                optimizer.step()
            assert Prediction(asked.answer, "", asked.tolerance).is_right(abs(weight.item() - before)), asked.text


# review()


@pytest.fixture
def cards(monkeypatch):
    shown = []
    monkeypatch.setattr("lmcourse.exercises.cards.Card.show", lambda card: shown.append(card))
    return shown


@pytest.fixture
def cells(monkeypatch):
    """The cells that are prepared: their text, and whether it takes the place of the one that ran."""
    made = []
    monkeypatch.setattr(reviewing, "_prepare", lambda cell, in_place: made.append((cell, in_place)))
    return made


def solution_cell(cell: str, item: reviewing.Item) -> str:
    """A prepared cell with the solution in place of the stub."""
    head, _, _ = cell.partition("\n\n\n")
    return f"{head}\n\n\n{item.topic.solution(item.name)}\n\n{cell.splitlines()[-1]}"


def test_a_question_is_compared_by_the_reader(clock, cards, cells):
    progress.record("strides.offset", "wrong")
    topic("strides").quiz()
    assert not any(".quiz." in key for key in progress.dates()), "a notebook that was only run asks nothing"
    progress.record("strides.offset", "correct")
    topic("strides").quiz()
    clock(later(NOW, 1))
    keys = [item.key for item in reviewing.due() if item.kind == "question"]
    text, answer = next(
        each for each in topic("strides").questions if topic("strides").question_key(each[0]) == keys[0]
    )
    progress.forget("strides.offset")
    review()
    assert cells[-1] == (f'review("{keys[0]}", "")  # your answer between the quotes', False)
    assert text in cards[-1].lines
    review(keys[0], "  ")
    assert cards[-2].headline.startswith("Your answer first")
    review(keys[0], HOSTILE)
    assert dict(cards[-1].rows) == {"you": HOSTILE, "the course": answer} and "<img" not in cards[-1].html()
    assert cells[-1] == (f'review("{keys[0]}", right=None)  # True or False?', True)
    review(keys[0], right=False)
    assert progress.dates()[keys[0]]["2026-11-29"] == "wrong"
    assert cards[-2].lines == ("It comes again on 2026-11-30.",)
    assert keys[0] not in cells[-1][0], "the next one is asked"
    review(keys[0], right=True)
    assert progress.dates()[keys[0]]["2026-11-29"] == "wrong", "the first answer of a day stays"


def test_a_prediction_is_judged_with_the_numbers_of_the_day(clock, cards, cells):
    progress.record("strides.predict.kept_alive", "wrong")
    clock(later(NOW, 1))
    review()
    asked = again.asked("strides.kept_alive", later(NOW, 1))
    assert asked.text in cards[-1].lines
    review("strides.predict.kept_alive", object())
    review("strides.predict.kept_alive", "a word")
    assert len(progress.dates()["strides.predict.kept_alive"]) == 1, "what nobody can read is no answer"
    review("strides.predict.kept_alive", asked.answer + 1)
    assert progress.dates()["strides.predict.kept_alive"]["2026-11-29"] == "wrong"
    assert f"it is {asked.answer:,}" in cards[-2].headline and asked.why in cards[-2].lines
    assert cards[-1].headline == "Nothing is due today" and progress.load()["strides.predict.kept_alive"] == "wrong"


def test_a_short_exercise_is_written_again_only_where_it_was_solved(clock, cards, cells):
    progress.record("strides.offset", "wrong")
    clock(later(NOW, 1))
    assert reviewing.due() == []
    progress.record("strides.offset", "correct")
    review()
    cell, item = cells[-1][0], reviewing.items()["strides.offset"]
    names: dict = {}
    exec(cell, names)
    assert cards[-1].headline.endswith("not attempted yet") and len(progress.dates()["strides.offset"]) == 1
    review("strides.offset", lambda index, strides, storage_offset=0: 5)
    assert progress.dates()["strides.offset"]["2026-11-29"] == "wrong"
    exec(solution_cell(cell, item), names)
    assert cards[-2].state == "correct" and progress.dates()["strides.offset"]["2026-11-29"] == "wrong"


@functools.cache
def short() -> list[str]:
    return [key for key, item in reviewing.items().items() if item.kind == "exercise"]


def test_every_short_exercise_has_a_cell_that_runs_by_itself(clock, cards, cells):
    assert len(short()) > 20
    for key in short():
        item = reviewing.items()[key]
        cell = reviewing.cell_of(item)
        exec(cell, {})
        assert cards[-1].headline.endswith("not attempted yet"), key
        exec(compile(solution_cell(cell, item), "<cell>", "exec"), {})
        assert "correct" in [card.state for card in cards[-2:]], (key, cards[-1].plain())


def test_it_can_be_switched_off_and_on_and_loses_nothing(clock, cards, cells, tmp_path):
    progress.record("strides.predict.kept_alive", "wrong")
    clock(later(NOW, 1))
    progress.show()
    assert cards[-1].lines == ("Due today: 1, about 1 min. review() asks them.",)
    review("off")
    review()
    progress.show()
    assert "switched off" in cards[-2].headline and cards[-1].lines == () and cells == []
    assert '"review"' not in progress.export(tmp_path / "mine.json")
    review("on")
    review()
    assert len(cells) == 1 and progress.dates() == {"strides.predict.kept_alive": {"2026-11-28": "wrong"}}


def test_another_name_is_told_and_kept_nowhere(clock, cards, cells):
    review(HOSTILE, "x")
    assert cards[-1].state == "wrong" and "<img" not in cards[-1].html() and progress.dates() == {}


def test_one_sees_what_stayed(clock, cards, cells):
    progress.record("strides.predict.kept_alive", "wrong")
    clock(later(NOW, 3))
    review("strides.predict.kept_alive", again.asked("strides.kept_alive", later(NOW, 3)).answer)
    assert cards[-1].lines[-1] == "Answered today and three or more days ago: 1. Right then 0, right today 1."
