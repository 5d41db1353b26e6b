"""A newer course and a learner's answers in one notebook. Run: pytest tests/workspace/test_merging.py

What a learner and a course may do to a notebook is drawn at random, two hundred times, and goes through files.
"""

import json
import random
from pathlib import Path

import nbformat
import pytest

from lmcourse.workspace import folder, merging

EXERCISES = ("offset", "can_view", "half", "count", "merge_pair", "train")


def cell(kind: str, text: str, name: str) -> dict:
    made = {"cell_type": kind, "id": name, "metadata": {}, "source": text.splitlines(True)}
    return made | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def stub(name: str, doc: str = "What to do.") -> str:
    return f'def {name}(x):\n    """{doc}"""\n    raise YourTurn\n\n\n{name} = check({name})'


def notebook() -> dict:
    """A course of six exercises, each with a text above and a cell that is run below."""
    cells = [
        cell("markdown", "# A title", "title"),
        cell("code", "from lmcourse.exercises.strides import check", "setup"),
    ]
    for name in EXERCISES:
        cells += [
            cell("markdown", f"### Exercise {name}", f"text-{name}"),
            cell("code", stub(name), f"stub-{name}"),
            cell("code", f"print({name}(1))", f"run-{name}"),
        ]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def texts(book: dict) -> list[str]:
    return ["".join(each["source"]) for each in book["cells"]]


def stream(text: str) -> list[dict]:
    return [{"output_type": "stream", "name": "stdout", "text": [text]}]


class Learner:
    """Does at random what learners do; remembers every text that they wrote."""

    def __init__(self, seed: int):
        self.random, self.wrote = random.Random(seed), []

    def answers(self, book: dict) -> None:
        self._write(self._one(book, "code"), "x = ")

    def edits_text(self, book: dict) -> None:
        self._write(self._one(book), "I think that ")

    def adds(self, book: dict) -> None:
        new = cell(self.random.choice(("code", "markdown")), "", f"own-{self.random.random()}"[:20].replace(".", ""))
        self._write(new, "tried: ")
        book["cells"].insert(self.random.randrange(len(book["cells"]) + 1), new)

    def deletes(self, book: dict) -> None:
        gone = self._one(book)
        book["cells"].remove(gone)
        self.wrote = [text for text in self.wrote if text not in "".join(gone["source"])]

    def moves(self, book: dict) -> None:
        one = self._one(book)
        book["cells"].remove(one)
        book["cells"].insert(self.random.randrange(len(book["cells"]) + 1), one)

    def splits(self, book: dict) -> None:
        one = self._one(book)
        if len(one["source"]) > 1:
            new = dict(one, source=one["source"][1:], id=one.get("id", "one")[:40] + "-second")
            one["source"] = one["source"][:1]
            book["cells"].insert(book["cells"].index(one) + 1, new)
            self.wrote = [text for text in self.wrote if any(text in other for other in texts(book))]

    def runs(self, book: dict) -> None:
        self._one(book, "code").update(outputs=stream("ran"), execution_count=7)

    def folds(self, book: dict) -> None:
        self._one(book)["metadata"].update(collapsed=True)

    def loses_ids(self, book: dict) -> None:
        """As an editor of the older format does."""
        for each in book["cells"]:
            each.pop("id", None)
        book["nbformat_minor"] = 4

    def pastes(self, book: dict) -> None:
        """A cell twice, and with one id, as some tools do."""
        book["cells"].append(dict(self._one(book)))

    def _one(self, book: dict, kind: str = "") -> dict:
        there = [each for each in book["cells"] if each["cell_type"].startswith(kind)]
        return self.random.choice(there or book["cells"])

    def _write(self, one: dict, words: str) -> None:
        mine = f"{words}{self.random.random()}"
        before = "".join(one["source"])
        one["source"] = before.replace("    raise YourTurn", f"    {mine}").splitlines(True)
        if mine not in "".join(one["source"]):
            one["source"] = f"{before}\n{mine}".splitlines(True)
        self.wrote.append(mine)


class Course:
    """Does at random what a newer version of the course does."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)

    def rewords(self, book: dict) -> None:
        one = self._one(book)
        one["source"] = f"{''.join(one['source'])}\n# better {self.random.random()}".splitlines(True)

    def renames_an_exercise(self, book: dict) -> None:
        one = self._one(book, "code")
        if name := merging.exercise(one):
            one["source"] = "".join(one["source"]).replace(name, f"{name}_new").splitlines(True)

    def splits_an_exercise(self, book: dict) -> None:
        one = self._one(book, "code")
        if name := merging.exercise(one):
            place = book["cells"].index(one)
            steps = [cell("code", stub(f"{name}_{k}"), f"{one['id'][:40]}-{k}") for k in "ab"]
            book["cells"][place : place + 1] = steps

    def adds(self, book: dict) -> None:
        name = f"new{self.random.randrange(10**9)}"
        book["cells"].insert(self.random.randrange(len(book["cells"]) + 1), cell("code", stub(name), name))

    def removes(self, book: dict) -> None:
        book["cells"].remove(self._one(book))

    def moves(self, book: dict) -> None:
        one = self._one(book)
        book["cells"].remove(one)
        book["cells"].insert(self.random.randrange(len(book["cells"]) + 1), one)

    def gives_another_id(self, book: dict) -> None:
        self._one(book)["id"] = f"id{self.random.randrange(10**9)}"

    def runs(self, book: dict) -> None:
        self._one(book, "code").update(outputs=stream("the newest"), execution_count=3)

    _one = Learner._one


def play(who: Learner | Course, book: dict, times: int) -> dict:
    """A copy of a notebook to which that many things have been done."""
    book = json.loads(json.dumps(book))
    deeds = sorted(name for name in vars(type(who)) if not name.startswith("_"))
    for _ in range(times):
        getattr(who, who.random.choice(deeds))(book)
    return book


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of one notebook and a learner's folder, on a disk that does not wait."""
    monkeypatch.setattr(folder, "ROOT", tmp_path)
    monkeypatch.setenv("LMCOURSE_WORKSPACE", str(tmp_path / "Kurs Übung"))
    monkeypatch.setattr("os.fsync", lambda handle: None)
    (tmp_path / "notebooks").mkdir()
    put(tmp_path, notebook())
    return tmp_path


def put(course: Path, book: dict) -> None:
    (course / "notebooks" / "03_strides.ipynb").write_bytes(folder.written(book))


def mine() -> Path:
    return folder.folder() / "03_strides.ipynb"


def everything() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.folder().rglob("*")) if path.is_file()}


DAMAGES = (b"", b"[]", b'{"cells": [', b"<<<<<<< HEAD\n", b"\xff\xfe", b'{"worksheets": [], "nbformat": 3}')


@pytest.mark.parametrize("tens", range(20))
def test_no_answer_is_lost_and_a_second_update_changes_nothing(course, monkeypatch, tens):
    """Two hundred pairs of what a learner has done and what the course has become, drawn at random."""
    for seed in range(10 * tens, 10 * tens + 10):
        monkeypatch.setenv("LMCOURSE_WORKSPACE", str(course / f"Kurs Übung {seed}"))
        put(course, notebook())
        one_pair(course, seed)


def one_pair(course: Path, seed: int) -> None:
    folder.lay()
    began = {each["id"]: each["source"] for each in notebook()["cells"]}
    learner, drawn = Learner(seed), random.Random(seed)
    edited = play(learner, notebook(), drawn.randrange(9))
    data = folder.written(edited)
    if damaged := seed % 20 == 19:
        data = data[: drawn.randrange(len(data) - 5)] if seed % 40 == 19 else DAMAGES[seed // 20 % len(DAMAGES)]
    mine().write_bytes(data)
    base = (folder.folder() / ".course" / mine().name).read_bytes()
    newer = play(Course(-seed - 1), notebook(), drawn.randrange(9))
    put(course, newer)
    for _ in folder.update():
        pass
    after, result = everything(), folder.read(mine().read_bytes())
    assert list(folder.update()) == [] and everything() == after, "a second update changes nothing"
    if newer == notebook():
        assert mine().read_bytes() == data
        return
    nbformat.validate(result, relax_add_props=False)
    assert len({each["id"] for each in result["cells"]}) == len(result["cells"])
    if damaged:
        assert data in after.values(), "what could not be read is kept as it was"
    for text in [] if damaged else learner.wrote:
        assert any(text in other for other in texts(result)), f"{text} is lost"
    left_alone = [each["id"] for each in edited["cells"] if each.get("id") and each["source"] == began.get(each["id"])]
    for each in newer["cells"]:
        assert damaged or each["id"] not in left_alone or "".join(each["source"]) in texts(result)
    (folder.folder() / ".course" / mine().name).write_bytes(base)  # as if it had been killed before the last step
    for _ in folder.update():
        pass
    again = "".join(texts(folder.read(mine().read_bytes())))
    assert all(text in again for text in texts(result) if text not in texts(notebook()))


@pytest.mark.parametrize("seed", range(20))
def test_whoever_changed_nothing_has_the_course(course, seed):
    folder.lay()
    newer = play(Course(seed), notebook(), 6)
    put(course, newer)
    for _ in folder.update():
        pass
    assert mine().read_bytes() == folder.written(newer)


def merged(edit, change) -> tuple[list[str], dict]:
    """The texts after a merge of the course, with what a learner and the course do to it."""
    theirs, ours = notebook(), notebook()
    edit(ours["cells"])
    change(theirs["cells"])
    result, changes = merging.merge(notebook(), ours, theirs)
    return texts(result), changes


def answer(cells: list) -> None:
    cells[3]["source"] = ["def offset(x):\n", "    return 7\n", "\n", "offset = check(offset)"]


def change_offset(cells: list, text: str = "Another text.") -> None:
    cells[3]["source"] = stub("offset", text).splitlines(True)


def test_both_stand_side_by_side_where_both_changed():
    found, changes = merged(answer, change_offset)
    assert "return 7" in found[3]
    assert found[4].startswith(merging.BESIDE) and "Another text." in found[4] and merging.DONE in found[4]
    assert changes == {"changed by both: the course's stands below yours": [("offset", "def offset(x):")]}


def test_a_note_that_was_deleted_or_is_outdated_does_not_come_back():
    first, second, theirs, ours = notebook(), notebook(), notebook(), notebook()
    answer(ours["cells"])
    change_offset(second["cells"], "second")
    change_offset(theirs["cells"], "third")
    ours, _ = merging.merge(first, ours, second)
    ours, _ = merging.merge(second, ours, theirs)
    notes = [text for text in texts(ours) if text.startswith(merging.BESIDE)]
    assert len(notes) == 1 and "third" in notes[0]
    ours["cells"] = [each for each in ours["cells"] if not "".join(each["source"]).startswith(merging.BESIDE)]
    assert len(merging.merge(theirs, ours, theirs)[0]["cells"]) == len(ours["cells"])


def test_the_answer_of_an_exercise_that_is_gone_is_kept_and_not_run():
    found, changes = merged(answer, lambda cells: cells.pop(3))
    assert found[3].startswith(merging.KEPT) and "    return 7" in found[3]
    assert list(changes) == ["kept, gone from the course"]
    result, _ = merging.merge(notebook(), notebook() | {"cells": notebook()["cells"]}, notebook())
    assert result == notebook(), "nothing happened"


def test_a_renamed_exercise_can_be_run_and_the_answer_stands_below_it():
    def rename(cells):
        cells[3]["source"] = stub("position").splitlines(True)

    found, changes = merged(answer, rename)
    assert found[3] == stub("position") and found[4].startswith(merging.KEPT) and "    return 7" in found[4]
    assert list(changes) == ["kept below another exercise that stands in its place"]


def test_an_answer_is_known_by_its_exercise_where_the_cell_is_another():
    def paste(cells):
        answer(cells)
        cells[3]["id"] = "another"

    found, changes = merged(paste, lambda cells: cells[2].update(source=["### Exercise offset, in better words"]))
    assert "return 7" in found[3] and "better words" in found[2] and len(found) == len(notebook()["cells"])
    assert list(changes) == ["follows the course", "yours"]


def test_an_answer_finds_its_exercise_where_the_course_gave_its_id_away():
    def give_away(cells):
        cells[3]["id"], cells[4]["id"] = "new-one", cells[3]["id"]

    found, changes = merged(answer, give_away)
    assert "return 7" in found[3] and found.count(stub("offset")) == 0 and len(found) == len(notebook()["cells"])
    assert changes["yours"] == [("offset", "def offset(x):")]


def test_new_cells_stand_where_the_course_has_them_and_yours_where_you_put_them():
    own = cell("code", "my own", "own")
    new = cell("markdown", "new", "new")
    found, _ = merged(lambda cells: cells.insert(4, own), lambda cells: cells.insert(4, new))
    assert found[3:6] == [stub("offset"), "new", "my own"] or found[3:6] == [stub("offset"), "my own", "new"]


def test_a_cell_that_you_deleted_stays_away():
    found, changes = merged(lambda cells: cells.pop(4), lambda cells: cells[0].update(source=["# Another title"]))
    assert "print(offset(1))" not in found and found[0] == "# Another title"
    assert list(changes) == ["follows the course"]


def test_without_what_it_began_with_both_are_kept():
    ours, theirs = notebook(), notebook()
    answer(ours["cells"])
    result, _ = merging.merge({"cells": []}, ours, theirs)
    assert "return 7" in texts(result)[3] and stub("offset") in texts(result)[4]


def test_a_text_that_holds_a_fence_is_shown_whole():
    note = merging._note(merging.BESIDE, cell("markdown", "```python\nx\n```", "one"))
    assert "````markdown\n```python\nx\n```\n````" in note["source"]
