"""Save a training run in one file and go on from it as if nothing had happened.

A checkpoint is a safetensors file: the tensors as raw numbers, and everything else as JSON in the file's header. So it
can be opened without trusting whoever made it; a pickle, which `torch.save` writes, runs code when it is loaded.
`save_checkpoint` writes one whole or not at all, `load_checkpoint` checks all of it before it changes anything, and
`checkpoint_state` reads what else was kept: data position, random generators, half-summed gradients.

Not here: checkpoints in several shards, saving in the background. A file is made in memory before it is written.
"""

import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from lmcourse.support.files import replacing

VERSION = 1
KEY = "lmcourse"  # where the JSON lies in the header's metadata


def bare(model: nn.Module) -> nn.Module:
    """The model inside the wrappers that `torch.compile` and data parallelism put around it.

    >>> layer = nn.Linear(2, 2)
    >>> bare(layer) is layer
    True
    """
    while hasattr(model, "_orig_mod") or isinstance(model, nn.parallel.DistributedDataParallel):
        model = model._orig_mod if hasattr(model, "_orig_mod") else model.module
    return model


# --- any value as JSON and tensors ---------------------------------------------------------------------------------


def pack(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """`value` as JSON, its tensors put aside in `tensors` under names that begin with `name`.

    Numbers, strings, None, lists, tuples, dicts, tensors and dtypes are kept exactly. Raises `TypeError` for the rest.

    >>> tensors = {}
    >>> pack({"step": 3, "grad": torch.ones(2)}, "state", tensors)
    {'dict': [['step', 3], ['grad', {'tensor': 'state.grad'}]]}
    >>> tensors
    {'state.grad': tensor([1., 1.])}
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor):
        tensors[name] = value.detach()
        return {"tensor": name}
    if isinstance(value, torch.dtype):
        return {"dtype": str(value).removeprefix("torch.")}
    if isinstance(value, list):
        return [pack(each, f"{name}.{i}", tensors) for i, each in enumerate(value)]
    if isinstance(value, tuple):
        return {"tuple": [pack(each, f"{name}.{i}", tensors) for i, each in enumerate(value)]}
    if isinstance(value, dict):
        return {"dict": [[pack(k, name, tensors), pack(v, f"{name}.{k}", tensors)] for k, v in value.items()]}
    raise TypeError(f"{name}: a checkpoint keeps numbers, text, tensors and containers, got {type(value).__name__}")


def unpack(packed: Any, tensors: dict[str, Tensor]) -> Any:
    """The value that `pack` was given.

    Raises `ValueError` for JSON that `pack` does not make.

    >>> unpack({"tuple": [1, {"tensor": "a"}]}, {"a": torch.ones(2)})
    (1, tensor([1., 1.]))
    """
    if packed is None or isinstance(packed, bool | int | float | str):
        return packed
    if isinstance(packed, list):
        return [unpack(each, tensors) for each in packed]
    ((kind, inside),) = packed.items()
    if kind == "tensor":
        return tensors[inside]
    if kind == "tuple":
        return tuple(unpack(each, tensors) for each in inside)
    if kind == "dict":
        return {unpack(key, tensors): unpack(value, tensors) for key, value in inside}
    if kind == "dtype" and isinstance(found := getattr(torch, inside, None), torch.dtype):
        return found
    raise ValueError(f"{kind!r} is no kind of value that a checkpoint keeps")


# --- the file ------------------------------------------------------------------------------------------------------


def save_checkpoint(path: str | os.PathLike, model: nn.Module, optimizer: Any, step: int, **state: Any) -> None:
    """Write model, optimizer and `step` to `path`, and whatever else `state` names; the old file goes only at the end.

    Args:
        path: the file to make or to replace, by custom `.safetensors`.
        model: its parameters and buffers are saved, once each where they are shared.
        optimizer: one `torch.optim.Optimizer`, or a list of them.
        step: optimizer steps done.
        state: more values: numbers, text, tensors, and lists, tuples and dicts of them.

    >>> import tempfile
    >>> model = nn.Linear(2, 2)
    >>> path = Path(tempfile.mkdtemp(), "run.safetensors")
    >>> save_checkpoint(path, model, torch.optim.AdamW(model.parameters()), 7, note="before the warm-up ended")
    >>> checkpoint_state(path)
    {'step': 7, 'note': 'before the warm-up ended'}
    """
    model = bare(model)
    tensors = {f"model.{name}": tensor for name, tensor in _own_tensors(model).items()}
    optimizers = [_describe(each, model) for each in _all(optimizer)]
    content = {
        "version": VERSION,
        "optimizers": [pack(each, f"optimizer{i}", tensors) for i, each in enumerate(optimizers)],
        "state": pack({"step": step, **state}, "state", tensors),
    }
    # Copies, so that no two share memory, which safetensors refuses, and none is a view with gaps.
    tensors = {name: tensor.cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    data = safetensors.torch.save(tensors, {KEY: json.dumps(content)})
    with replacing(path) as file:
        file.write(data)


def load_checkpoint(path: str | os.PathLike, model: nn.Module, optimizer: Any = None) -> int:
    """Put model and optimizer in the state that `path` holds; return the steps done. Nothing in the file is executed.

    `optimizer` None loads the model alone. All is checked first: when this raises, nothing has changed.

    Raises FileNotFoundError for no file; ValueError for one that is truncated, not a checkpoint, or of another model
    or optimizer (other names, shapes, dtypes, groups).

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "run.safetensors")
    >>> model, other = nn.Linear(2, 2), nn.Linear(2, 2)
    >>> save_checkpoint(path, model, torch.optim.SGD(model.parameters()), 7)
    >>> load_checkpoint(path, other, torch.optim.SGD(other.parameters())), bool((other.weight == model.weight).all())
    (7, True)
    """
    model = bare(model)
    content, tensors = _read(path)
    step, saved = content["state"]["step"], content["optimizers"]
    own = _own_tensors(model)
    _check_model(path, own, tensors)
    optimizers = [] if optimizer is None else _all(optimizer)
    if optimizers and len(optimizers) != len(saved):
        raise ValueError(f"optimizer: {path} holds the state of {len(saved)} optimizers, got {len(optimizers)}")
    for each, state in zip(optimizers, saved):
        _check_optimizer(path, each, state, model)

    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[f"model.{name}"])
    for each, state in zip(optimizers, saved):
        each.load_state_dict(state["state_dict"])
        _restore_dtypes(each, state["state_dict"])
    return step


def checkpoint_state(path: str | os.PathLike) -> dict[str, Any]:
    """What was saved beside model and optimizer: the step, and the `state` given to `save_checkpoint`.

    Raises as `load_checkpoint` does.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "run.pt")
    >>> torch.save({"step": 7}, path)
    >>> checkpoint_state(path)
    Traceback (most recent call last):
    ValueError: path: ...run.pt looks like a file of torch.save or pickle. It is not opened: loading one runs ...
    """
    return _read(path)[0]["state"]


def _read(path: str | os.PathLike) -> tuple[dict[str, Any], dict[str, Tensor]]:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path: there is no checkpoint {path}")
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dict
    except safetensors.SafetensorError as error:
        with path.open("rb") as file:
            start = file.read(4)
        if start == b"PK\x03\x04" or start[:1] == b"\x80":
            raise ValueError(
                f"path: {path} looks like a file of torch.save or pickle. It is not opened: loading one runs whatever "
                "code it holds. A checkpoint of this course is a safetensors file, as save_checkpoint writes it"
            ) from None
        raise ValueError(f"path: {path} is no safetensors file, or a truncated one ({error})") from None
    if KEY not in metadata:
        raise ValueError(f"path: {path} is a safetensors file, but no checkpoint that save_checkpoint wrote")
    try:
        content = json.loads(metadata[KEY])
        if content["version"] != VERSION:
            raise ValueError(f"version {content['version']!r}, this program reads {VERSION}")
        content["optimizers"] = [unpack(each, tensors) for each in content["optimizers"]]
        content["state"] = unpack(content["state"], tensors)
        step = content["state"]["step"]
        if not isinstance(step, int) or step < 0:
            raise ValueError(f"step {step!r}")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"path: {path} holds a damaged checkpoint ({type(error).__name__}: {error})") from None
    return content, tensors


def _own_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name; of a tensor with two names (tied embeddings) the first one."""
    own, seen = {}, set()
    for name, tensor in model.state_dict().items():
        place = (tensor.data_ptr(), tensor.shape, tensor.stride())
        if tensor.numel() == 0 or place not in seen:
            own[name] = tensor
        seen.add(place)
    return own


def _all(optimizer: Any) -> list[torch.optim.Optimizer]:
    return list(optimizer) if isinstance(optimizer, list | tuple) else [optimizer]


def _describe(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Any]:
    return {
        "class": type(optimizer).__name__,
        "names": _parameter_names(optimizer, model),
        "state_dict": optimizer.state_dict(),
    }


def _parameter_names(optimizer: torch.optim.Optimizer, model: nn.Module) -> list[list[str]]:
    """The names of each group's parameters: the state dict knows only their numbers."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    return [[names.get(parameter, "?") for parameter in group["params"]] for group in optimizer.param_groups]


def _check_model(path: Any, own: dict[str, Tensor], tensors: dict[str, Tensor]) -> None:
    found = {name.removeprefix("model."): tensor for name, tensor in tensors.items() if name.startswith("model.")}
    if own.keys() != found.keys():
        missing, extra = sorted(own.keys() - found.keys()), sorted(found.keys() - own.keys())
        raise ValueError(f"model: {path} is of another model: it lacks {missing[:3]} and has {extra[:3]} besides")
    for name, tensor in own.items():
        for what in ("shape", "dtype"):
            wanted, got = getattr(tensor, what), getattr(found[name], what)
            if wanted != got:
                wanted, got = (tuple(each) if what == "shape" else each for each in (wanted, got))
                raise ValueError(f"model: {name} has {what} {wanted}, {path} holds one of {got}")


def _check_optimizer(path: Any, optimizer: torch.optim.Optimizer, saved: dict[str, Any], model: nn.Module) -> None:
    try:
        kind, names, state_dict = saved["class"], saved["names"], saved["state_dict"]
        groups = [group["params"] for group in state_dict["param_groups"]]
        numbers = [number for group in groups for number in group]
        states = {number: dict(state_dict["state"].get(number, {})) for number in numbers}
    except (KeyError, TypeError, AttributeError, ValueError):
        raise ValueError(f"path: {path} holds a damaged optimizer state") from None
    if kind != type(optimizer).__name__:
        raise ValueError(f"optimizer: {path} holds the state of {kind}, got {type(optimizer).__name__}")
    if names != _parameter_names(optimizer, model) or [len(group) for group in groups] != [len(n) for n in names]:
        raise ValueError(f"optimizer: its groups hold other parameters, or in another order, than those in {path}")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, parameter in zip(numbers, parameters):
        for key, value in states[number].items():
            if isinstance(value, Tensor) and not _fits(value.shape, parameter.shape):
                shapes = f"{tuple(value.shape)} for a parameter of shape {tuple(parameter.shape)}"
                raise ValueError(f"path: {path} holds {key} of shape {shapes}")


def _fits(shape: torch.Size, wanted: torch.Size) -> bool:
    """Equal, or one number for many, as Adafactor keeps them."""
    return len(shape) <= len(wanted) and all(a in (1, b) for a, b in zip(reversed(shape), reversed(wanted)))


def _restore_dtypes(optimizer: torch.optim.Optimizer, state_dict: dict[str, Any]) -> None:
    """PyTorch casts loaded state to the parameter's dtype; 32-bit moments of 16-bit parameters would be rounded."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    numbers = [number for group in state_dict["param_groups"] for number in group["params"]]
    for number, parameter in zip(numbers, parameters):
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


def resume(path: str | os.PathLike, model: nn.Module, optimizer: Any, sampler: Any) -> int:
    """Go on where `path` was saved: parameters, optimizer, place in the data, random generators; return the steps done.

    Args:
        path: a checkpoint with `data` (the sampler's `state_dict()`) and `rng` (`rng_state()`) among its state.
        model, optimizer: as they were made for the first run.
        sampler: a `BatchSampler`, or anything else with `load_state_dict`.

    Raises ValueError when the file keeps no `data` or no `rng`: a run without them goes on, but not as it would have.

    >>> import tempfile
    >>> from lmcourse.data_loading import BatchSampler
    >>> path, model, sampler = Path(tempfile.mkdtemp(), "run.safetensors"), nn.Linear(2, 2), BatchSampler(1001, 4, 10)
    >>> optimizer = torch.optim.SGD(model.parameters())
    >>> save_checkpoint(path, model, optimizer, 7, data=sampler.state_dict(), rng=rng_state())
    >>> following = next(sampler)
    >>> resume(path, model, optimizer, sampler), bool((next(sampler) == following).all())
    (7, True)
    """
    state = checkpoint_state(path)
    if missing := [name for name in ("data", "rng") if name not in state]:
        raise ValueError(f"path: {path} keeps no {' and no '.join(missing)}, so the run cannot go on as it would have")
    step = load_checkpoint(path, model, optimizer)
    sampler.load_state_dict(state["data"])
    set_rng_state(state["rng"])
    return step
