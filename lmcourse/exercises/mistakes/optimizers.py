"""Typical wrong answers of notebook 08; lmcourse.exercises.optimizers says which mistake each is."""

import math
from collections.abc import Callable

from lmcourse import optimizers
from lmcourse.optimizers import SGD, AdaGrad, Momentum, PlainAdamW, RMSProp
from lmcourse.support.optional import torch


def uphill(weight, slope, lr):
    return weight + lr * slope


def by_sign(weight, slope, lr):
    return weight - lr * (slope > 0) + lr * (slope < 0)


def without_rate(weight, slope, lr):
    return weight - slope


class Rebinds(SGD):
    def update(self, param, grad, state, group):
        param = param - group["lr"] * grad


class NewMemory(SGD):
    def update(self, param, grad, state, group):
        param.data = param - group["lr"] * grad


class OneRateForAll(SGD):
    def update(self, param, grad, state, group):
        super().update(param, grad, state, self.defaults)


class ForgetsTheLoss(SGD):
    def step(self, closure=None):
        super().step(closure)


class FirstGroupOnly(SGD):
    """Returns inside the loop over the groups."""

    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.no_grad():
            self.update_group(self.param_groups[0])
        return loss


class TripsOverNone(SGD):
    def update_group(self, group):
        for param in group["params"]:
            self.update(param, param.grad, self.state[param], group)


class StopsAtNone(SGD):
    def update_group(self, group):
        for param in group["params"]:
            if param.grad is None:
                return
            self.update(param, param.grad, self.state[param], group)


class SkipsZeros(SGD):
    def update_group(self, group):
        for param in group["params"]:
            if param.grad is not None and param.grad.any():
                self.update(param, param.grad, self.state[param], group)


class ForgetsTheState(SGD):
    def update_group(self, group):
        for param in group["params"]:
            if param.grad is not None:
                self.update(param, param.grad, {}, group)


class ScalesTheGradient(SGD):
    def update(self, param, grad, state, group):
        param.sub_(grad.mul_(group["lr"]))


class Uphill(SGD):
    def update(self, param, grad, state, group):
        param.add_(group["lr"] * grad)


class Average(Momentum):
    """The study notes' slip: an average of gradients."""

    def update(self, param, grad, state, group):
        if not state:
            state["momentum_buffer"] = torch.zeros_like(param)
        buffer = state["momentum_buffer"].mul_(group["momentum"]).add_((1 - group["momentum"]) * grad)
        param.sub_(group["lr"] * (grad + group["momentum"] * buffer if group["nesterov"] else buffer))


class RateInside(Momentum):
    """buffer ← momentum · buffer + lr · grad: the same while lr stays, another path when a schedule changes it."""

    def update(self, param, grad, state, group):
        if not state:
            state["momentum_buffer"] = torch.zeros_like(param)
        buffer = state["momentum_buffer"].mul_(group["momentum"]).add_(group["lr"] * grad)
        param.sub_(buffer if not group["nesterov"] else group["lr"] * grad + group["momentum"] * buffer)


class NeverNesterov(Momentum):
    def update(self, param, grad, state, group):
        super().update(param, grad, state, {**group, "nesterov": False})


class KeepsNoBuffer(Momentum):
    def update(self, param, grad, state, group):
        super().update(param, grad, {}, group)


class BufferNotStored(Momentum):
    """buffer * momentum + grad is a new tensor, and the zeros stay in the state."""

    def update(self, param, grad, state, group):
        if not state:
            state["momentum_buffer"] = torch.zeros_like(param)
        buffer = state["momentum_buffer"] * group["momentum"] + grad
        param.sub_(group["lr"] * (grad + group["momentum"] * buffer if group["nesterov"] else buffer))


class WholeBufferAhead(Momentum):
    def update(self, param, grad, state, group):
        super().update(param, grad, state, {**group, "lr": 0.0, "nesterov": False})
        buffer = state["momentum_buffer"]
        param.sub_(group["lr"] * (grad + buffer if group["nesterov"] else buffer))


class GradientAsBuffer(Momentum):
    def update(self, param, grad, state, group):
        if not state:
            state["momentum_buffer"] = grad
        else:
            state["momentum_buffer"].mul_(group["momentum"]).add_(grad)
        buffer = state["momentum_buffer"]
        param.sub_(group["lr"] * (grad + group["momentum"] * buffer if group["nesterov"] else buffer))


class AveragesSquares(AdaGrad):
    """The study notes' slip: the average of the squares, so that the steps never shrink."""

    def update(self, param, grad, state, group):
        count = state.pop("count", 0) + 1
        super().update(param, grad, state, {**group, "lr": 0.0})
        param.sub_(group["lr"] * grad / ((state["sum"] / count).sqrt() + group["eps"]))
        state["count"] = count


class NoRoot(AdaGrad):
    def update(self, param, grad, state, group):
        super().update(param, grad, state, {**group, "lr": 0.0})
        param.sub_(group["lr"] * grad / (state["sum"] + group["eps"]))


class EpsInsideSum(AdaGrad):
    def update(self, param, grad, state, group):
        super().update(param, grad, state, {**group, "lr": 0.0})
        param.sub_(group["lr"] * grad / (state["sum"] + group["eps"]).sqrt())


class LastSquare(AdaGrad):
    def update(self, param, grad, state, group):
        state.clear()
        super().update(param, grad, state, group)


class OneSum(AdaGrad):
    def update(self, param, grad, state, group):
        state["sum"] = state.get("sum", 0) + grad.square().sum().expand_as(grad)
        param.sub_(group["lr"] * grad / (state["sum"].sqrt() + group["eps"]))


class StillSums(RMSProp):
    def update(self, param, grad, state, group):
        super().update(param, grad, state, {**group, "lr": 0.0})
        state["square_avg"].add_(group["alpha"] * grad.square())
        param.sub_(group["lr"] * grad / (state["square_avg"].sqrt() + group["eps"]))


class WeightsSwapped(RMSProp):
    """alpha on the new square, 1 − alpha on the old average."""

    def update(self, param, grad, state, group):
        super().update(param, grad, state, {**group, "alpha": 1 - group["alpha"]})


class EpsInsideAverage(RMSProp):
    def update(self, param, grad, state, group):
        super().update(param, grad, state, {**group, "lr": 0.0})
        param.sub_(group["lr"] * grad / (state["square_avg"] + group["eps"]).sqrt())


class ItsFirstRate(RMSProp):
    def update(self, param, grad, state, group):
        super().update(param, grad, state, {**group, "lr": self.defaults["lr"]})


class SquaresTheGradient(RMSProp):
    def update(self, param, grad, state, group):
        super().update(param, grad, state, group)
        grad.square_()


def average_elsewhere(average, new, beta):
    return beta * average + (1 - beta) * new


def average_copied(average, new, beta):
    return average.mul_(beta).add_((1 - beta) * new).clone()


def sum_in_place(average, new, beta):
    return average.mul_(beta).add_(new)


def average_swapped(average, new, beta):
    return average.mul_(1 - beta).add_(beta * new)


def average_spoils(average, new, beta):
    return average.mul_(beta).add_(new.mul_(1 - beta))


def corrected_in_place(average, beta, step):
    return average.div_(1 - beta**step)


def corrected_once(average, beta, step):
    return average / (1 - beta)


def corrected_down(average, beta, step):
    return average * (1 - beta**step)


def corrected_late(average, beta, step):
    return average / ((1 - beta ** (step - 1)) or 1.0)


class NoCorrection(PlainAdamW):
    def update(self, param, grad, state, group):
        super().update(param, grad, state, {**group, "lr": 0.0})
        param.mul_(1 - group["lr"] * group["weight_decay"])
        param.sub_(group["lr"] * state["exp_avg"] / (state["exp_avg_sq"].sqrt() + group["eps"]))


class L2(PlainAdamW):
    """Adam with the decay in the gradient."""

    def update(self, param, grad, state, group):
        super().update(param, grad + group["weight_decay"] * param, state, {**group, "weight_decay": 0.0})


class EpsInside(PlainAdamW):
    def update(self, param, grad, state, group):
        super().update(param, grad, state, {**group, "lr": 0.0})
        beta1, beta2 = group["betas"]
        m_hat = state["exp_avg"] / (1 - beta1 ** state["step"])
        v_hat = state["exp_avg_sq"] / (1 - beta2 ** state["step"])
        param.mul_(1 - group["lr"] * group["weight_decay"])
        param.sub_(group["lr"] * m_hat / (v_hat + group["eps"]).sqrt())


class EpsBeforeCorrection(PlainAdamW):
    """The form of CS336's handout: eps is added to √v, before the correction."""

    def update(self, param, grad, state, group):
        super().update(param, grad, state, {**group, "lr": 0.0})
        beta1, beta2 = group["betas"]
        rate = group["lr"] * math.sqrt(1 - beta2 ** state["step"]) / (1 - beta1 ** state["step"])
        param.mul_(1 - group["lr"] * group["weight_decay"])
        param.sub_(rate * state["exp_avg"] / (state["exp_avg_sq"].sqrt() + group["eps"]))


class SharedClock(PlainAdamW):
    """One step count for all parameters, which runs once for each."""

    count = 0

    def update(self, param, grad, state, group):
        if state:
            state["step"] = self.count
        else:
            zeros = {"exp_avg": torch.zeros_like(param), "exp_avg_sq": torch.zeros_like(param)}
            state.update(step=self.count, **zeros)
        super().update(param, grad, state, group)
        self.count += 1


class LateDecay(PlainAdamW):
    def update(self, param, grad, state, group):
        super().update(param, grad, state, {**group, "weight_decay": 0.0})
        param.mul_(1 - group["lr"] * group["weight_decay"])


class WithoutTheRate(PlainAdamW):
    def update(self, param, grad, state, group):
        decay = group["weight_decay"] / group["lr"] if group["lr"] else 0.0
        super().update(param, grad, state, {**group, "weight_decay": decay})


class FromTwo(PlainAdamW):
    def update(self, param, grad, state, group):
        if not state:
            state.update(step=1, exp_avg=torch.zeros_like(param), exp_avg_sq=torch.zeros_like(param))
        super().update(param, grad, state, group)


# schedules and clipping


def unchecked(step, *, max_lr, min_lr, warmup_steps, total_steps):
    if step < warmup_steps:
        return max_lr * step / warmup_steps
    if step >= total_steps:
        return min_lr
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return min_lr + 0.5 * (1 + math.cos(math.pi * progress)) * (max_lr - min_lr)


def checked(curve: Callable) -> Callable:
    """A wrong curve with right checks, so that it is the curve that is refused."""

    def checked(step, **plan):
        optimizers.cosine_lr(step, **plan)
        return curve(step, **plan)

    return checked


@checked
def progress_from_zero(step, *, max_lr, min_lr, warmup_steps, total_steps):
    if step < warmup_steps:
        return max_lr * step / warmup_steps
    progress = min(1.0, step / (total_steps or 1))
    return min_lr + 0.5 * (1 + math.cos(math.pi * progress)) * (max_lr - min_lr)


@checked
def rises_again(step, *, max_lr, min_lr, warmup_steps, total_steps):
    if step < warmup_steps:
        return max_lr * step / warmup_steps
    progress = (step - warmup_steps) / ((total_steps - warmup_steps) or 1)
    return min_lr + 0.5 * (1 + math.cos(math.pi * progress)) * (max_lr - min_lr)


@checked
def down_to_zero(step, *, max_lr, min_lr, **plan):
    return optimizers.cosine_lr(step, max_lr=max_lr, min_lr=0.0, **plan)


@checked
def a_line(step, *, max_lr, min_lr, warmup_steps, total_steps):
    if step < warmup_steps or step >= total_steps:
        return unchecked(step, max_lr=max_lr, min_lr=min_lr, warmup_steps=warmup_steps, total_steps=total_steps)
    return max_lr + (step - warmup_steps) / (total_steps - warmup_steps) * (min_lr - max_lr)


@checked
def warms_from_one(step, *, warmup_steps, **plan):
    return optimizers.cosine_lr(step + (step < warmup_steps), warmup_steps=warmup_steps, **plan)


def each_by_itself(parameters, max_norm):
    parameters = [parameters] if torch.is_tensor(parameters) else list(parameters)
    norm = optimizers.clip_grad_norm_(parameters, math.inf if max_norm > 0 else max_norm)
    for param in parameters:
        optimizers.clip_grad_norm_([param], max_norm)
    return norm


def rescaled(factor: Callable[[float, float], float]) -> Callable:
    """Clipping with another factor, of the norm and max_norm."""

    def clip(parameters, max_norm):
        parameters = [parameters] if torch.is_tensor(parameters) else list(parameters)
        norm = optimizers.clip_grad_norm_(parameters, math.inf if max_norm > 0 else max_norm)
        for param in parameters:
            if param.grad is not None and (math.isfinite(norm) or factor is even_infinite):
                param.grad.mul_(factor(norm, max_norm))
        return norm

    return clip


def even_infinite(norm: float, max_norm: float) -> float:
    return min(1.0, max_norm / (norm + 1e-6))


def each_element(parameters, max_norm):
    parameters = [parameters] if torch.is_tensor(parameters) else list(parameters)
    norm = optimizers.clip_grad_norm_(parameters, math.inf if max_norm > 0 else max_norm)
    if math.isfinite(norm):
        for param in parameters:
            if param.grad is not None:
                param.grad.clamp_(-max_norm, max_norm)
    return norm


def norm_after(parameters, max_norm):
    norm = optimizers.clip_grad_norm_(parameters, max_norm)
    return min(max_norm, norm) if math.isfinite(norm) else norm


def looks_twice(parameters, max_norm):
    """Goes over an iterator twice, and finds nothing the second time."""
    parameters = [parameters] if torch.is_tensor(parameters) else parameters
    norm = optimizers.clip_grad_norm_(parameters, math.inf if max_norm > 0 else max_norm)
    optimizers.clip_grad_norm_(parameters, max_norm)
    return norm


scales_up = rescaled(lambda norm, max_norm: max_norm / (norm + 1e-6))
clips_the_infinite = rescaled(even_infinite)
without_eps = rescaled(lambda norm, max_norm: min(1.0, max_norm / (norm or 1.0)))
