"""Save a training run in one file and go on from it as if nothing had happened.

A checkpoint is a file of `torch.save` that `torch.load(weights_only=True)` reads: tensors, numbers, text and containers
of them, and no code. An ordinary pickle runs whatever code it holds when it is loaded; this way of reading refuses one.
`save_checkpoint` writes a file whole or not at all, and nothing that could not be read again; `load_checkpoint` checks
all of it, the sums over its bytes too, before it changes anything; `checkpoint_state` reads what else was kept: data
position, random generators, half-summed gradients.

Not here: checkpoints in several shards, saving in the background.
"""

import os
import random
import zipfile
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lmcourse.support import checks
from lmcourse.support.files import replacing

FORMAT = "lmcourse checkpoint 2"
PLAIN = (NoneType, bool, int, float, str, bytes, torch.dtype)
PARALLEL = (nn.DataParallel, nn.parallel.DistributedDataParallel)


# --- a model without its wrappers ----------------------------------------------------------------------------------


def bare(model: nn.Module) -> nn.Module:
    """The model inside the wrappers that `torch.compile` and data parallelism put around it.

    >>> layer = nn.Linear(2, 2)
    >>> bare(layer) is bare(nn.DataParallel(layer)) is layer
    True
    """
    while inner := _inner(model):
        model = getattr(model, inner)
    return model


def plain_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters by the names that they have without wrappers, around the model or around parts of it.

    >>> list(plain_parameters(nn.Sequential(nn.DataParallel(nn.Linear(2, 2)))))
    ['0.weight', '0.bias']
    """
    model = bare(model)
    return {_plain_name(name, model): parameter for name, parameter in model.named_parameters()}


def _inner(module: nn.Module) -> str | None:
    """Under which name a wrapper holds what it wraps; None for what is no wrapper."""
    if hasattr(module, "_orig_mod"):
        return "_orig_mod"
    return "module" if isinstance(module, PARALLEL) else None


def _plain_name(name: str, model: nn.Module) -> str:
    plain, module = [], model
    for part in name.split("."):
        if part != _inner(module):
            plain.append(part)
        module = getattr(module, part, module)
    return ".".join(plain)


def _model_state(model: nn.Module) -> dict[str, Any]:
    """Parameters, buffers and what `get_extra_state` keeps, by plain names."""
    return {_plain_name(name, model): value for name, value in model.state_dict().items()}


# --- the file ------------------------------------------------------------------------------------------------------


def save_checkpoint(path: str | os.PathLike, model: nn.Module, optimizer: Any, step: int, **state: Any) -> None:
    """Write model, optimizer and `step` to `path`, and whatever else `state` names; the old file goes only at the end.

    Of the model parameters, buffers and extra state are saved, by the names they have without wrappers. `optimizer` is
    one `torch.optim.Optimizer` or a list of them, `step` the optimizer steps done. `state` may hold numbers, text,
    tensors, and lists, tuples and dicts of them.

    Raises TypeError or ValueError for a step that is no whole number of 0 or more, TypeError for a value that could not
    be loaded again.

    >>> import tempfile
    >>> model = nn.Linear(2, 2)
    >>> path = Path(tempfile.mkdtemp(), "run.pt")
    >>> save_checkpoint(path, model, torch.optim.AdamW(model.parameters()), 7, note="before the warm-up ended")
    >>> checkpoint_state(path)
    {'step': 7, 'note': 'before the warm-up ended'}
    """
    model = bare(model)
    content = {
        "format": FORMAT,
        "model": _plain(_model_state(model), "model"),
        "optimizers": [_plain(_describe(each, model), "optimizer") for each in _all(optimizer)],
        "state": {"step": checks.whole("step", step, 0)},
    }
    for name, value in state.items():
        content["state"][name] = _plain(value, name)
    with replacing(path) as file:
        torch.save(content, file)


def load_checkpoint(path: str | os.PathLike, model: nn.Module, optimizer: Any = None) -> int:
    """Put model and optimizer in the state that `path` holds; return the steps done. Nothing in the file is executed.

    `optimizer` None loads the model alone. All is checked first: when this raises, nothing has changed.

    Raises FileNotFoundError for no file; ValueError for one that is truncated, changed, not a checkpoint, or of another
    model or optimizer (other names, shapes, dtypes, groups).

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "run.pt")
    >>> model, other = nn.Linear(2, 2), nn.Linear(2, 2)
    >>> save_checkpoint(path, model, torch.optim.SGD(model.parameters()), 7)
    >>> load_checkpoint(path, other, torch.optim.SGD(other.parameters())), bool((other.weight == model.weight).all())
    (7, True)
    """
    model = bare(model)
    content = _read(path)
    own = {_plain_name(name, model): name for name in model.state_dict()}
    _check_model(path, _model_state(model), content["model"])
    optimizers, saved = [] if optimizer is None else _all(optimizer), content["optimizers"]
    if optimizers and len(optimizers) != len(saved):
        raise ValueError(f"optimizer: {path} holds the state of {len(saved)} optimizers, got {len(optimizers)}")
    for each, state in zip(optimizers, saved):
        _check_optimizer(path, each, state, model)

    for each, state in zip(optimizers, saved):
        each.load_state_dict(state["state_dict"])
        _restore_dtypes(each, state["state_dict"])
    model.load_state_dict({own[name]: value for name, value in content["model"].items()})
    return content["state"]["step"]


def checkpoint_state(path: str | os.PathLike) -> dict[str, Any]:
    """What was saved beside model and optimizer: the step, and the `state` given to `save_checkpoint`.

    Raises as `load_checkpoint` does.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "mine.pt")
    >>> torch.save({"step": 7}, path)
    >>> checkpoint_state(path)
    Traceback (most recent call last):
    ValueError: path: ...mine.pt is no checkpoint that save_checkpoint wrote
    """
    return _read(path)["state"]


def _plain(value: Any, name: str) -> Any:
    """`value` made of what can be read again without running code; TypeError that names what is not."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Tensor):
        small = value.layout == torch.strided and value.nbytes < value.untyped_storage().nbytes()
        return value.detach().clone() if small else value.detach()  # a view alone, without all that it looks at
    if isinstance(value, list | tuple):
        parts = [_plain(each, f"{name}[{i}]") for i, each in enumerate(value)]
        return parts if isinstance(value, list) else tuple(parts)
    if isinstance(value, dict):
        return {_plain(key, name): _plain(each, f"{name}[{key!r}]") for key, each in value.items()}
    if type(value) not in PLAIN:
        allowed = "a checkpoint keeps numbers, text, tensors, and lists, tuples and dicts of them"
        raise TypeError(f"{name}: {allowed}, got {checks.got(value)}")
    return value


def _read(path: str | os.PathLike) -> dict[str, Any]:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path: there is no checkpoint {path}")
    try:
        with zipfile.ZipFile(path) as file:
            changed = file.testzip()  # compares the sum that is kept beside every tensor; torch.load does not
    except Exception:  # zipfile has a dozen for a file that is damaged in one way or another
        changed = "its table of contents"
    if changed is not None:
        with path.open("rb") as file:
            older = file.read(9)[8:] == b"{"  # a safetensors file, as the course wrote them once
        kind = "an older kind of checkpoint, which is no longer read" if older else "no checkpoint, or a damaged one"
        raise ValueError(f"path: {path} is {kind} ({changed})")
    try:
        with path.open("rb") as file:  # not by its name: torch.load takes ".safetensors" for another format
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        what = "is refused: it holds something else than tensors and plain values, which may be code, or is damaged"
        raise ValueError(f"path: {path} {what} ({str(error)[:60]}…)") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"path: {path} is no checkpoint that save_checkpoint wrote")
    parts, step = [content.get(name) for name in ("model", "state", "optimizers")], None
    if [type(part) for part in parts] == [dict, dict, list]:
        step = parts[1].get("step")
    if type(step) is not int or step < 0 or not all(isinstance(each, dict) for each in parts[2]):
        raise ValueError(f"path: {path} holds a damaged checkpoint")
    return content


# --- what does not fit ---------------------------------------------------------------------------------------------


def _check_model(path: Any, own: dict[str, Any], found: dict[str, Any]) -> None:
    if own.keys() != found.keys():
        missing, extra = sorted(own.keys() - found.keys()), sorted(found.keys() - own.keys())
        raise ValueError(f"model: {path} is of another model: it lacks {missing[:3]} and has {extra[:3]} besides")
    first: dict[tuple, str] = {}  # of the names of one tensor, such as tied embeddings
    for name, tensor in own.items():
        if not isinstance(tensor, Tensor):  # what get_extra_state returned
            continue
        for what in ("shape", "dtype"):
            wanted, got = getattr(tensor, what), getattr(found[name], what, None)
            if wanted != got:
                wanted, got = (tuple(each) if isinstance(each, torch.Size) else each for each in (wanted, got))
                raise ValueError(f"model: {name} has {what} {wanted}, {path} holds one of {got}")
        twin = first.setdefault((tensor.data_ptr(), tensor.shape, tensor.stride()), name)
        if tensor.numel() and not torch.equal(found[twin], found[name]):
            raise ValueError(f"model: {twin} and {name} are one tensor here, and two different ones in {path}")


def _check_optimizer(path: Any, optimizer: torch.optim.Optimizer, saved: dict[str, Any], model: nn.Module) -> None:
    try:
        kind, names, state_dict = saved["class"], saved["names"], saved["state_dict"]
        groups = [group["params"] for group in state_dict["param_groups"]]
        states = [dict(state_dict["state"].get(number, {})) for group in groups for number in group]
    except (KeyError, TypeError, AttributeError, ValueError):
        raise ValueError(f"path: {path} holds a damaged optimizer state") from None
    if kind != type(optimizer).__name__:
        raise ValueError(f"optimizer: {path} holds the state of {kind}, got {type(optimizer).__name__}")
    if names != _parameter_names(optimizer, model) or [len(group) for group in groups] != [len(n) for n in names]:
        raise ValueError(f"optimizer: its groups hold other parameters, or in another order, than those in {path}")
    for state, parameter in zip(states, _parameters(optimizer)):
        for key, value in state.items():
            if isinstance(value, Tensor) and not _fits(value.shape, parameter.shape):
                shapes = f"{tuple(value.shape)} for a parameter of shape {tuple(parameter.shape)}"
                raise ValueError(f"path: {path} holds {key} of shape {shapes}")


def _fits(shape: torch.Size, wanted: torch.Size) -> bool:
    """Equal, or one number for many, as Adafactor keeps them."""
    return len(shape) <= len(wanted) and all(a in (1, b) for a, b in zip(reversed(shape), reversed(wanted)))


def _all(optimizer: Any) -> list[torch.optim.Optimizer]:
    return list(optimizer) if isinstance(optimizer, list | tuple) else [optimizer]


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _describe(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Any]:
    return {
        "class": type(optimizer).__name__,
        "names": _parameter_names(optimizer, model),
        "state_dict": optimizer.state_dict(),
    }


def _parameter_names(optimizer: torch.optim.Optimizer, model: nn.Module) -> list[list[str]]:
    """The names of each group's parameters: the state dict knows only their numbers."""
    names = {parameter: name for name, parameter in plain_parameters(model).items()}
    return [[names.get(parameter, "?") for parameter in group["params"]] for group in optimizer.param_groups]


def _restore_dtypes(optimizer: torch.optim.Optimizer, state_dict: dict[str, Any]) -> None:
    """PyTorch casts loaded state to the parameter's dtype; 32-bit moments of 16-bit parameters would be rounded."""
    numbers = [number for group in state_dict["param_groups"] for number in group["params"]]
    for number, parameter in zip(numbers, _parameters(optimizer)):
        for key, value in state_dict["state"].get(number, {}).items():
            now = optimizer.state[parameter].get(key)
            if isinstance(now, Tensor) and isinstance(value, Tensor) and now.dtype != value.dtype:
                optimizer.state[parameter][key] = value.to(now.device)


# --- the whole state of a run --------------------------------------------------------------------------------------


def rng_state(device: str | torch.device = "cpu") -> dict[str, Any]:
    """Where the global random generators of PyTorch (on `device` too), NumPy and Python are.

    >>> before = rng_state()
    >>> first = torch.rand(2), random.random(), np.random.rand()
    >>> set_rng_state(before)
    >>> bool((torch.rand(2) == first[0]).all()), (random.random(), np.random.rand()) == first[1:]
    (True, True)
    """
    kind, key, *rest = np.random.get_state()
    state = {"torch": torch.get_rng_state(), "python": random.getstate(), "numpy": (kind, key.tolist(), *rest)}
    if torch.device(device).type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_rng_state(state: dict[str, Any], device: str | torch.device = "cpu") -> None:
    """Put the generators back to where `rng_state` found them; a generator that was not saved stays as it is."""
    torch.set_rng_state(state["torch"].cpu())
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    if torch.device(device).type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)


def resume(
    path: str | os.PathLike,
    model: nn.Module,
    optimizer: Any,
    sampler: Any,
) -> int:
    """Go on where `path` was saved: parameters, optimizer, place in the data, random
    generators. Returns the steps done.

    `path` is a checkpoint that keeps `data` (the sampler's `state_dict()`) and `rng`
    (`rng_state()`). `sampler` is anything with `load_state_dict`.

    Raises ValueError when the file keeps no `data` or no `rng`.

    >>> resume("no/such/file.pt", nn.Linear(2, 2), None, None)
    Traceback (most recent call last):
    FileNotFoundError: ...
    """
    state = checkpoint_state(path)
    if missing := [name for name in ("data", "rng") if name not in state]:
        raise ValueError(f"path: {path} keeps no {' and no '.join(missing)}, so the run cannot go on as it would have")
    step = load_checkpoint(path, model, optimizer)
    sampler.load_state_dict(state["data"])
    set_rng_state(state["rng"])
    return step
