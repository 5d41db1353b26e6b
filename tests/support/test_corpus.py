"""Run: pytest tests/test_corpus.py    (tinyshakespeare: set LMCOURSE_CACHE to a folder that has it, or be online)"""

import hashlib
import unicodedata

import pytest

from lmcourse.support import corpus


def test_python_docs_are_prose_and_the_same_every_time():
    text = corpus.load()
    assert text is corpus.load("python-docs")
    corpus._python_docs.cache_clear()
    assert corpus.load() == text
    assert 1_500_000 < len(text.encode("utf-8")) < 6_000_000
    assert sum(map(str.isalpha, text)) > 0.6 * len(text)
    assert "Assert statements are a convenient way" in text


def test_tinyshakespeare_has_its_hash():
    try:
        text = corpus.load("tinyshakespeare")
    except ConnectionError as error:
        pytest.skip(str(error))
    assert hashlib.sha256(text.encode("utf-8")).hexdigest() == corpus.SHAKESPEARE_SHA256
    assert text.startswith("First Citizen:") and len(text) == 1_115_394


def test_offline_and_uncached_says_what_works(monkeypatch, tmp_path):
    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setenv("LMCOURSE_CACHE", str(tmp_path))
    monkeypatch.setattr("pooch.HTTPDownloader.__call__", offline)
    with pytest.raises(ConnectionError, match=r"tinyshakespeare' is not in .*python-docs.*file/of/yours"):
        corpus.load("tinyshakespeare")
    assert corpus.cache_folder() == tmp_path


def test_a_file_of_ones_own_keeps_its_line_ends(tmp_path):
    (tmp_path / "mine.txt").write_bytes("é\r\nb\n".encode())
    assert corpus.load(tmp_path / "mine.txt") == corpus.load(str(tmp_path / "mine.txt")) == "é\r\nb\n"


def test_what_cannot_be_loaded_is_named(tmp_path):
    (tmp_path / "latin.txt").write_bytes(b"\xe9")
    with pytest.raises(ValueError, match=r"name_or_path: UTF-8, got '.*latin.txt'"):
        corpus.load(tmp_path / "latin.txt")
    with pytest.raises(FileNotFoundError, match="a file that exists, got 'python-doc'"):
        corpus.load("python-doc")


def test_the_home_folder_may_be_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("LMCOURSE_CACHE", "~/texts")
    assert corpus.cache_folder() == tmp_path / "texts"


def test_samples_cover_scripts_and_traps():
    samples = corpus.samples()
    assert set(corpus.LANGUAGES) < set(samples)
    scripts = {unicodedata.name(max(samples[name])).split()[0] for name in corpus.LANGUAGES}
    assert len(scripts) >= 12, scripts
    everything = "".join(samples.values())
    for trap in ("\u200d", "\u0301", "\r\n", "\x00", "\u200b", "<img", "<|endoftext|>", "\N{WAVING HAND SIGN}"):
        assert trap in everything
    assert any(unicodedata.bidirectional(char) in ("R", "AL") for char in everything)
    samples.clear()
    assert corpus.samples(), "a copy each time"
