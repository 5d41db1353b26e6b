"""What every optimizer here inherits: PyTorch's groups and state, and checks of options, rates and state dicts."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lmcourse.support.checks import got, number, whole
from lmcourse.support.optional import torch


class Optimizer(torch.optim.Optimizer):
    """`torch.optim.Optimizer`, which holds the groups, the state and the options; this one refuses bad options by name.

    A rate is looked at before every step too, since a schedule may have changed it. Raises `ValueError` for an option
    out of range or a complex parameter, `TypeError` for an option that is no number.

    >>> from lmcourse.optimizers import SGD
    >>> SGD([torch.zeros(2, requires_grad=True)], lr=-1.0)
    Traceback (most recent call last):
    ValueError: lr: a finite number of 0 or more, got -1.0
    """

    def __init__(self, params: Iterable, defaults: dict[str, Any]):
        super().__init__(params, defaults | _method(self).fixed)
        self.register_step_pre_hook(_check_rates)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group and check its options; `__init__` comes through here too."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        for name in {"lr", "weight_decay", "eps", "momentum"} & group.keys():
            number(name, group[name], least=0)
        if "ns_steps" in group:
            whole("ns_steps", group["ns_steps"], least=1, most=99)
        if "alpha" in group:
            _check_share("alpha", group["alpha"])
        for index, beta in enumerate(group.get("betas", ())):
            _check_share(f"betas[{index}]", beta)
        if any(param.is_complex() for param in group["params"]):
            raise ValueError("params: real tensors, got a complex one")

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore state and options, also those that an optimizer of `torch.optim` saved (its counters are tensors).

        The steps that follow equal those of the optimizer that saved it. Raises `ValueError`, and changes nothing, for
        a state dict of other parameters or of another method, and for an option that this class has not, unless its
        value changes nothing (`amsgrad=False`).

        >>> from lmcourse.optimizers import AdamW
        >>> w = torch.ones(2, requires_grad=True)
        >>> w.grad = torch.ones(2)
        >>> theirs, ours = torch.optim.AdamW([w], lr=0.5), AdamW([w])
        >>> theirs.step()
        >>> ours.load_state_dict(theirs.state_dict())
        >>> ours.param_groups[0]["lr"], ours.state[w]["step"], ours.state[w]["exp_avg"]
        (0.5, 1, tensor([0.1000, 0.1000]))
        """
        if not isinstance(state_dict, dict) or not {"state", "param_groups"} <= state_dict.keys():
            raise ValueError(f"state_dict: a dict as state_dict() makes it, got {got(state_dict)}")
        for group in state_dict["param_groups"]:
            self.check_saved(group)
        super().load_state_dict(state_dict)
        for state in self.state.values():
            if "step" in state:
                state["step"] = int(state["step"])

    def check_saved(self, group: dict[str, Any]) -> None:
        """Raise `ValueError` where a saved group lacks an option of this class, or has one that this class lacks."""
        kind, method = type(self).__name__, _method(self)
        own = [name for name in self.defaults if name not in method.fixed.keys() | HOW]  # a load in PyTorch adds of HOW
        allowed = UNCHANGED | method.fixed
        for name in sorted(group.keys() & TORCH_OPTIONS - set(own)):
            if name not in allowed or group[name] != allowed[name]:
                raise ValueError(f"{name}: {allowed.get(name, 'no option')} in {kind}, got {got(group[name])}")
        if method.twin and group.keys() & HOW:  # PyTorch saved it
            own += [name for name in inspect.signature(method.twin).parameters if name not in HOW | {"params"}]
        for name in own:
            if name not in group:
                raise ValueError(f"{name}: an option of {kind}, missing in this state dict, which another method saved")


def _check_rates(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    for group in optimizer.param_groups:
        number("lr", group["lr"], least=0)


def _check_share(name: str, value: Any) -> None:
    if number(name, value, least=0, most=1) == 1:
        raise ValueError(f"{name}: less than 1, got {got(value)}")


# --- which state dicts mean the same steps ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Method:
    """PyTorch's class of a method, and its options about which the class here has no choice."""

    twin: type[torch.optim.Optimizer] | None = None
    fixed: dict[str, Any] = field(default_factory=dict)


METHODS = {
    "SGD": Method(torch.optim.SGD),
    "Momentum": Method(torch.optim.SGD),
    "AdaGrad": Method(torch.optim.Adagrad),
    "RMSProp": Method(torch.optim.RMSprop),
    "Adam": Method(torch.optim.Adam, {"decoupled_weight_decay": False}),
    "AdamW": Method(torch.optim.Adam, {"decoupled_weight_decay": True}),
    "Muon": Method(fixed={"ns_coefficients": (3.4445, -4.7750, 2.0315), "eps": 1e-7}),
}
HOW = {"foreach", "fused", "capturable", "differentiable"}  # how PyTorch computes, and not what
KINDS = [
    each for each in vars(torch.optim).values() if isinstance(each, type) and issubclass(each, torch.optim.Optimizer)
]
TORCH_OPTIONS = {name for kind in KINDS for name in inspect.signature(kind).parameters} - HOW - {"params", "defaults"}
# The values at which an option that a class lacks makes no difference
UNCHANGED = {"maximize": False, "amsgrad": False, "centered": False, "nesterov": False, "momentum": 0, "dampening": 0}
UNCHANGED |= {"weight_decay": 0, "lr_decay": 0, "initial_accumulator_value": 0}


def _method(optimizer: Optimizer) -> Method:
    """The method that a class is, or inherits; your own classes go by the names of the course's."""
    names = (kind.__name__.removeprefix("Plain") for kind in type(optimizer).__mro__)
    return next((METHODS[name] for name in names if name in METHODS), Method())
