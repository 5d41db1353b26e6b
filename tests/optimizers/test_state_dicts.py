"""State dicts of torch.optim and of each other: equal steps, or a refusal by name. Run: pytest tests/optimizers"""

import copy
import inspect

import pytest
import torch

from lmcourse import optimizers

NAMES = ("SGD", "Momentum", "AdaGrad", "RMSProp", "Adam", "AdamW", "PlainAdamW", "Muon")
OURS = {name: getattr(optimizers, name) for name in NAMES}
THEIRS = {
    name: kind
    for name, kind in vars(torch.optim).items()
    if isinstance(kind, type) and name not in ("Optimizer", "SparseAdam")  # whose gradients are sparse
}
SWITCHES = [
    ("momentum", 0.9),
    ("dampening", 0.5),
    ("nesterov", True),
    ("weight_decay", 0.1),
    ("lr_decay", 0.1),
    ("amsgrad", True),
    ("maximize", True),
    ("centered", True),
    ("initial_accumulator_value", 0.1),
    ("ns_coefficients", (2.0, -1.5, 0.5)),
    ("eps", 1e-3),
    ("foreach", True),
    ("decoupled_weight_decay", True),
]


def makers():
    """Every class of PyTorch and every one of ours, as it comes and with each option of its own that it can have."""
    for name, kind in [*THEIRS.items(), *(("our " + name, kind) for name, kind in OURS.items())]:
        yield name, kind, {"lr": 0.05}
        for option, value in SWITCHES:
            extra = {"momentum": 0.9} if option in ("nesterov",) else {}
            if option in inspect.signature(kind).parameters and (name, option) != ("Adafactor", "eps"):
                yield f"{name}, {option}", kind, {"lr": 0.05, **extra, option: value}


def stepped(optimizer, w, steps):
    """Where `w` is after so many steps along gradients of its own."""
    for step in range(steps):
        w.grad = torch.cos(3 * w.detach() + step)
        optimizer.step(*([lambda: torch.zeros(())] if isinstance(optimizer, torch.optim.LBFGS) else []))
    return w.detach().clone()


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize(("saver", "kind", "options"), [pytest.param(*each, id=each[0]) for each in makers()])
def test_a_state_dict_makes_equal_steps_or_is_refused_by_the_name_of_an_option(name, saver, kind, options):
    torch.manual_seed(0)
    w = torch.nn.Parameter(torch.randn(3, 4))
    theirs = kind([w], **options)
    stepped(theirs, w, 3)
    copied = torch.nn.Parameter(w.detach().clone())
    ours = OURS[name]([copied])
    before = copy.deepcopy(ours.state_dict())
    try:
        ours.load_state_dict(copy.deepcopy(theirs.state_dict()))
    except ValueError as error:
        option = str(error).split(":")[0]
        assert option in {*theirs.param_groups[0], *before["param_groups"][0], "amsgrad", "momentum"}, str(error)
        assert ours.state_dict() == before
        same_method = saver.split(",")[0].removeprefix("our ").lower() == name.lower()
        assert not same_method or "," in saver, str(error)
    else:
        torch.testing.assert_close(stepped(ours, copied, 3), stepped(theirs, w, 3))


@pytest.mark.parametrize("saved", [3, {}, {"state": {}}])
def test_what_is_no_state_dict_is_refused(saved):
    with pytest.raises((ValueError, TypeError), match="state_dict"):
        optimizers.SGD([torch.nn.Parameter(torch.zeros(2))]).load_state_dict(saved)
