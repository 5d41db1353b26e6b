"""What only TrainingDashboard can do. Run: pytest tests/browser/test_training_dashboard.py

Its buttons reach a cell that trains. The kernel writes one line for each step and one for each nap of a paused loop:
a loop that naps is at rest, and its steps are counted there, whatever the page shows and however slow it is.
"""

import math
from dataclasses import replace

import pytest

from lmcourse.training import Metrics
from lmcourse.widgets import TrainingDashboard

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
expect.set_options(timeout=60_000)

CELL = """
import torch, numpy as np, math
from lmcourse.data_loading import BatchSampler
from lmcourse.model import ModelConfig, TransformerLM
from lmcourse.training import Batches, Control, train
from lmcourse.widgets import TrainingDashboard

torch.manual_seed(0)
torch.set_num_threads(1)
text = "the loop asks the iterator for the next item until StopIteration is raised. " * 60
letters = sorted(set(text))
ids = np.array([letters.index(letter) for letter in text])
config = ModelConfig(len(letters), context_length=16, d_model=32, num_layers=1, num_heads=2, d_ff=64)
model = TransformerLM(config)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
batches = Batches(ids, BatchSampler(len(ids), 8, context_length=16))
log = open(LOG, "a", encoding="utf-8", buffering=1)

class Counting(Control):
    def nap(self):
        log.write("nap\\n")
        super().nap()

def sample():
    x = [letters.index("t")]
    with torch.no_grad():
        for _ in range(40):
            x.append(int(model(torch.tensor([x[-16:]]))[0, -1].argmax()))
    return "".join(letters[i] for i in x)

def per_token():
    x = torch.tensor(ids[None, :17])
    with torch.no_grad():
        losses = torch.nn.functional.cross_entropy(model(x[:, :-1])[0], x[0, 1:], reduction="none")
    return [(letters[i], loss) for i, loss in zip(ids[1:17], losses.tolist())]

counts = np.bincount(ids) / len(ids)
dashboard = TrainingDashboard(
    STEPS, text_at=lambda start: text[start : start + 17], sample=sample, per_token=per_token, sample_every=EVERY,
    baselines={"ln V": math.log(len(letters)), "unigram": float(-(counts * np.log(counts)).sum())},
    max_norm=1.0, control=Counting(),
)
try:
    for record in dashboard.train(model, optimizer, batches, steps=STEPS, copies=COPIES):
        log.write(f"step {record.step} {record.lr}\\n")
    log.write(f"ended {dashboard.control.stopped}\\n")
except KeyboardInterrupt:
    again = next(train(model, optimizer, batches, steps=1))
    log.write(f"usable {again.loss}\\n")
"""
SEVERAL_STEPS = "() => Number(document.querySelector('.td .td-tile b')?.textContent.split(' ')[0]) >= 5"


class Kernel:
    """What the cell wrote."""

    def __init__(self, path, page):
        self.path, self.page = path, page

    def lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines()

    def steps(self) -> int:
        return sum(line.startswith("step") for line in self.lines())

    def wait(self, true, what: str):
        """Look until `true(lines)`; ten minutes are for a machine that does much else."""
        for _ in range(6000):
            if true(self.lines()):
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"{what}: {self.lines()[-5:]}")

    def rest(self) -> int:
        """Steps taken when the loop naps: between two naps no step is in flight."""
        self.wait(lambda lines: lines[-2:] == ["nap", "nap"], "the loop does not rest")
        return self.steps()


@pytest.fixture
def training(in_lab, tmp_path):
    """`training(steps=...)`: a page on which a cell trains, and what its kernel wrote."""

    def start(*, steps=1_000_000, every=20, copies=0, **options):
        log = tmp_path / "log.txt"
        log.touch()
        names = f"LOG, STEPS, EVERY, COPIES = {str(log)!r}, {steps}, {every}, {copies}\n"
        watched = in_lab(names + CELL, until=SEVERAL_STEPS, **options)
        return watched, Kernel(log, watched.page)

    return start


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def status(page):
    return page.locator(".td .td-status")


def test_pause_step_lr_resume_and_stop_while_a_cell_trains(training):
    watched, kernel = training()
    page = watched.page
    watched.picture(page.locator(".td"), "TrainingDashboard-training-light")
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    watched.picture(page.locator(".td"), "TrainingDashboard-training-dark")
    page.evaluate("document.body.dataset.jpThemeLight = 'true'")

    assert len(watched.controls()) <= 6, watched.controls()

    button(page, "❚❚ Pause").click()
    expect(status(page)).to_contain_text("paused")
    rest = kernel.rest()
    expect(page.locator(".td .td-tile b").first).to_contain_text(str(rest))  # the page shows the very last step

    button(page, "Step").click()
    button(page, "Step").click()
    kernel.wait(lambda _: kernel.steps() >= rest + 2, "Step does nothing")
    assert kernel.rest() == rest + 2

    page.get_by_label("learning rate", exact=True).evaluate(
        "e => { e.value = -1; e.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    page.locator(".td .lmc-more-button").click()
    expect(button(page, "Follow the schedule")).to_have_attribute("aria-disabled", "false")
    page.get_by_role("tab", name="Jumps and batches").click()
    button(page, "Step").click()
    kernel.wait(lambda _: kernel.steps() >= rest + 3, "Step does nothing")
    assert kernel.rest() == rest + 3
    expect(page.locator(".td .td-batch")).not_to_contain_text("Asking")  # the text of a paused step is read
    assert [line for line in kernel.lines() if line.startswith("step")][-1] == f"step {rest + 3} 0.1"
    watched.picture(page.locator(".td"), "TrainingDashboard-paused")

    button(page, "▶ Resume").click()
    kernel.wait(lambda _: kernel.steps() >= rest + 10, "Resume does nothing")
    page.locator(".td input[type=range]").first.focus()
    page.keyboard.press("Space")  # Space pauses, wherever no control needs it
    expect(status(page)).to_contain_text("paused")
    kernel.rest()
    button(page, "■ Stop").click()
    kernel.wait(lambda lines: lines[-1] == "ended True", "Stop does nothing")
    expect(status(page)).to_contain_text("stopped")
    button(page, "Step").click(force=True)
    expect(page.locator(".td .lmc-reading")).to_contain_text("No run trains now")
    assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
    assert watched.wrong == []


def test_interrupting_the_kernel_leaves_a_usable_model(training):
    watched, kernel = training()
    page = watched.page
    page.click("#jp-MainMenu .lm-MenuBar-itemLabel:text-is('Kernel')")
    page.click(".lm-Menu-item[data-command='kernelmenu:interrupt']")
    kernel.wait(lambda lines: lines[-1].startswith("usable"), "the interrupt does not come through")
    assert math.isfinite(float(kernel.lines()[-1].split()[1]))
    expect(status(page)).to_contain_text("interrupted")
    assert watched.wrong == []


def test_a_fork_from_the_page_is_drawn_over_the_run(training):
    watched, kernel = training(steps=60, every=15, copies=4)
    page = watched.page
    kernel.wait(lambda lines: lines[-1] == "ended False", "the run does not end")
    expect(status(page)).to_contain_text("done")
    page.locator(".td .lmc-more-button").click()
    page.get_by_label("with the lr").select_option("10")
    button(page, "Fork at step 45").click()
    expect(page.locator(".td .td-scrub option")).to_have_text(["this run", "lr × 10"])
    expect(status(page)).to_contain_text("done")
    expect(page.locator(".td .lmc-reading")).to_contain_text("“lr × 10”, forked at step 45")
    expect(page.locator(".td .td-film button")).to_have_count(0)  # the fork has no samples, the run has
    page.locator(".td .td-scrub select").select_option("this run")
    expect(page.locator(".td .td-film button")).to_have_count(5)
    watched.picture(page.locator(".td"), "TrainingDashboard-fork")
    assert page.locator(".td").count() == 1  # shown once, though what is stored was brought up to date
    assert watched.wrong == []


# Without a kernel


def long_run(steps: int) -> TrainingDashboard:
    dashboard = TrainingDashboard(steps, baselines={"ln V": 6.2}, max_norm=1.0)
    record = Metrics(1, 6.0, 1e-3, 1.0, 768, 0.02, 40_000.0, 0.3)
    for _ in dashboard.watch(
        replace(record, step=k, loss=2 + 4 / (1 + k / 100) + 0.1 * math.sin(k * k)) for k in range(1, steps + 1)
    ):
        pass
    return dashboard


def test_a_stored_run_is_scrubbed_and_its_jumps_are_read(kernel_free):
    watched = kernel_free(TrainingDashboard.example(), still=True)
    page = watched.page
    first, reading = page.locator(".td .td-tile b").first, page.locator(".td .lmc-reading")
    expect(first).to_have_text("240 of 240")
    tab = lambda name: page.get_by_role("tab", name=name).click()  # noqa: E731
    tab("Jumps and batches")
    page.locator(".td .td-spikes button").first.click()
    expect(first).to_have_text("137 of 240")
    expect(reading).to_contain_text("above the average of the steps before it")
    expect(page.locator(".td .td-batch")).to_contain_text("StopIteration")
    page.get_by_label("step", exact=True).focus()
    page.keyboard.press("Home")
    expect(first).to_have_text("1 of 240")
    page.keyboard.press("ArrowRight")
    expect(first).not_to_have_text("1 of 240")
    expect(page.locator(".td .td-batch")).to_contain_text("needs a running kernel")
    page.keyboard.press("End")
    expect(first).to_have_text("240 of 240")
    tab("Samples through time")
    page.locator(".td .td-film button").nth(2).click()
    expect(first).to_have_text("60 of 240")
    expect(page.locator(".td .td-film button").nth(2)).to_have_attribute("aria-pressed", "true")
    tab("Loss of each token")
    page.locator(".td .td-token").nth(3).click()
    expect(page.locator(".td .td-heat-words")).to_contain_text("costs")
    page.locator(".td .lmc-more-button").click()
    page.get_by_label("log steps").check()
    expect(page.locator(".td .td-svg").first).to_contain_text("(log)")
    page.locator(".td .td-svg").first.click(position={"x": 300, "y": 60})
    expect(reading).to_contain_text("Step")
    assert watched.axe(".lmc") == [] and watched.wrong == []


def test_a_page_without_a_kernel_has_only_controls_that_work(kernel_free):
    watched = kernel_free(TrainingDashboard.example().at(more=True), still=True)
    page = watched.page
    names = page.locator(".td button").all_inner_texts()
    for name in ("❚❚ Pause", "Step", "■ Stop", "Follow the schedule", "Fork at step 180"):
        assert name not in names
    assert page.get_by_label("learning rate", exact=True).count() == 0
    text = page.locator(".td .td-svg").first.text_content()
    assert "lr × 3" in text and "can start here" not in text  # the fork is drawn, and none is offered
    assert page.locator(".td .lmc-reading").bounding_box()["y"] < 640
    page.keyboard.press("Space")
    assert watched.wrong == []


def test_its_height_stays(kernel_free):
    watched = kernel_free(TrainingDashboard.example(), still=True, width=1280)
    page = watched.page
    heights = set()
    for name in ("Jumps and batches", "Loss of each token", "Samples through time"):
        page.get_by_role("tab", name=name).click()
        heights.add(round(page.locator(".lmc").bounding_box()["height"]))
        page.locator(".td .td-svg").first.click(position={"x": 300, "y": 60})
        heights.add(round(page.locator(".lmc").bounding_box()["height"]))
    assert len(heights) == 1, heights


def test_hostile_text_is_text(kernel_free):
    hostile = '</pre><img src=x onerror="window.hacked = true"><script>window.hacked = true</script>'
    dashboard = TrainingDashboard(
        30, sample=lambda: hostile, per_token=lambda: [(hostile, 1.0)], text_at=lambda start: hostile,
        baselines={hostile: 1.0}, ghosts={hostile: [(1, 2.0), (30, 1.5)]}, sample_every=10,
    )  # fmt: skip
    record = Metrics(1, 3.0, 1e-3, 1.0, 768, 0.02, 40_000.0, None, None, (1, 2))
    for _ in dashboard.watch((replace(record, step=k, loss=3.0 + (k == 20)) for k in range(1, 31)), name=hostile):
        pass
    watched = kernel_free(dashboard, still=True)
    watched.page.get_by_role("tab", name="Jumps and batches").click()
    watched.page.locator(".td .td-spikes button").first.click()
    expect(watched.page.locator(".td .td-batch")).to_contain_text("<script>")
    assert watched.page.evaluate("window.hacked") is None
    assert watched.page.locator(".td img, .td script").count() == 0


def test_before_the_first_run_and_after_a_bad_one(kernel_free):
    empty = kernel_free(TrainingDashboard(40, baselines={"ln V": 6.2}), still=True)
    expect(empty.page.locator(".td .lmc-reading")).to_contain_text("No run yet")
    dashboard = TrainingDashboard(40)
    record = Metrics(1, 3.0, 1e-3, 1.0, 768, 0.02, 40_000.0, None)
    for _ in dashboard.watch(replace(record, step=k, loss=3.0 if k < 30 else math.nan) for k in range(1, 31)):
        pass
    bad = kernel_free(dashboard.at(panel="batches"), still=True)
    expect(bad.page.locator(".td .lmc-reading")).to_contain_text("The loss of step 30 is not a number")
    expect(bad.page.locator(".td .td-spikes button").first).to_contain_text("not finite")
    for watched in (empty, bad):
        assert watched.axe(".lmc") == [] and watched.wrong == []


@pytest.mark.parametrize("copies", [1, 2])
def test_a_step_costs_the_page_as_much_at_the_end_as_at_the_start(kernel_free, copies):
    """Work is counted: nodes written by a move along the steps, of a run of 100 steps and of one of 5,000."""
    counted = []
    for steps in (100, 5000):
        watched = kernel_free(long_run(steps), still=True, copies=copies)
        act = """const e = document.querySelector('.td input[type=range]'); e.value = k + 1;
                 e.dispatchEvent(new Event('input', { bubbles: true }))"""
        counted.append(watched.changes(act, 20))
        assert watched.wrong == []
    assert counted[1] < 1.5 * counted[0] < 600, counted
