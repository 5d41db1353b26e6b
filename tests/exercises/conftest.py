"""What the tests of the exercises share."""

import pytest

from lmcourse.exercises import judging


@pytest.fixture
def nameless(monkeypatch):
    """Whether an answer is wrong, and not which known mistake it makes: finding that out takes most of the time."""
    monkeypatch.setattr(judging, "_known_mistake", lambda *_: "")
