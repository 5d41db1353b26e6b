"""A page reaches a cell that trains, in a real kernel, as JupyterLab talks to it. Run: pytest tests/widgets"""

import math
import time

import pytest

CELL = """
import torch, numpy as np
from lmcourse.data_loading import BatchSampler
from lmcourse.model import ModelConfig, TransformerLM
from lmcourse.training import Batches, Control, train
from lmcourse.widgets import TrainingDashboard

log = open(LOG, "a", encoding="utf-8", buffering=1)

class Counting(Control):
    def nap(self):
        log.write("nap\\n")
        super().nap()

ids = np.arange(4000) * 7 % 31
model = TransformerLM(ModelConfig(31, context_length=8, d_model=16, num_layers=1, num_heads=2, d_ff=32))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
batches = Batches(ids, BatchSampler(len(ids), 4, context_length=8))
dashboard = TrainingDashboard(control=Counting())
log.write(f"comm {dashboard.model_id}\\n")
try:
    for record in dashboard.train(model, optimizer, batches, steps=10**9):
        log.write(f"step {record.step} {record.lr}\\n")
    log.write("stopped\\n")
    for record in dashboard.train(model, optimizer, batches, steps=10**9):
        log.write(f"again {record.step}\\n")
except KeyboardInterrupt:
    log.write(f"usable {next(train(model, optimizer, batches, steps=1)).loss}\\n")
"""


def test_a_page_reaches_a_cell_that_trains(tmp_path):
    """Messages on a subshell, as JupyterLab 4.4 and newer send them. The kernel writes a line a step and a nap."""
    manager = pytest.importorskip("jupyter_client.manager", reason="jupyter_client is not installed")
    log = tmp_path / "log.txt"
    log.touch()
    kernel, client = manager.start_new_kernel(kernel_name="python3")

    def lines() -> list[str]:
        return log.read_text(encoding="utf-8").splitlines()

    def wait(true, what: str) -> list[str]:
        for _ in range(6000):
            if true(lines()):
                return lines()
            time.sleep(0.05)
        raise AssertionError(f"{what}: {lines()[-5:]}")

    def count(found: list[str]) -> int:
        return sum(line.startswith("step") for line in found)

    def rest() -> int:
        return count(wait(lambda found: found[-2:] == ["nap", "nap"], "the loop does not rest"))

    def press(**question) -> None:
        data = {"method": "custom", "content": {"id": "1", "question": question}}
        message = client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        message["header"]["subshell_id"] = subshell
        client.shell_channel.send(message)

    try:
        client.execute(f"LOG = {str(log)!r}\n" + CELL)
        comm = wait(lambda found: count(found) >= 5, "nothing trains")[0].split()[1]
        client.control_channel.send(client.session.msg("create_subshell_request"))
        subshell = client.get_control_msg(timeout=60)["content"]["subshell_id"]
        press(do="pause")
        before = rest()
        press(do="step")
        press(do="step")
        wait(lambda found: count(found) >= before + 2, "no step is taken")
        assert rest() == before + 2
        press(do="lr", lr=0.25)
        press(do="step")
        wait(lambda found: count(found) >= before + 3, "no step is taken")
        assert rest() == before + 3 and f"step {before + 3} 0.25" in lines()
        press(do="resume")
        wait(lambda found: count(found) >= before + 20, "the loop does not go on")
        press(do="stop")
        wait(lambda found: any(line.startswith("again") for line in found), "the loop does not stop")
        kernel.interrupt_kernel()
        last = wait(lambda found: found[-1].startswith("usable"), "the interrupt does not come through")[-1]
        assert math.isfinite(float(last.split()[1]))
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
