"""Exercises of notebook 08: cases and hints. References: lmcourse.optimizers; wrong answers: mistakes."""

from lmcourse import optimizers
from lmcourse.exercises.mistakes import optimizers as mistakes
from lmcourse.exercises.practice import optimizers as practice
from lmcourse.exercises.probes import optimizers as probes
from lmcourse.exercises.topic import Topic
from lmcourse.optimizers import SGD, AdaGrad, Momentum, PlainAdamW, RMSProp

topic = Topic("optimizers", 8, practice)
check, predict, quiz, ready = topic.check, topic.predict, topic.quiz, topic.ready


# 8.1


topic.exercise(
    optimizers.step_downhill,
    cases=probes.downhill_cases,
    hints=(
        "Take something away from `weight`: the slope says which way is up.",
        "The step is `lr * slope` long.",
    ),
    wrong={
        "walks uphill": mistakes.uphill,
        "always as long as the rate": mistakes.by_sign,
        "forgets the rate": mistakes.without_rate,
    },
    minutes=5,
    level=1,
)


# 8.2


topic.exercise(
    SGD,
    cases=probes.sgd_cases,
    hints=(
        "Two loops: over `self.param_groups` in `step`, over `group['params']` in `update_group`. A parameter whose "
        "`.grad` is None is skipped; the others get `self.update(param, param.grad, self.state[param], group)`.",
        "`update` must change the tensor itself: `param.sub_(group['lr'] * grad)`. In `step` begin with `loss = None`. "
        "Where there is a closure, call it under `torch.enable_grad()`: `loss = closure()`. Return `loss` at the end.",
    ),
    wrong={
        "makes a new tensor under the old name, and changes nothing": mistakes.Rebinds,
        "puts a new tensor in the parameter's place": mistakes.NewMemory,
        "one rate for all groups": mistakes.OneRateForAll,
        "updates the first group only: a `return` inside the loop?": mistakes.FirstGroupOnly,
        "forgets the closure's loss": mistakes.ForgetsTheLoss,
        "trips over a missing gradient": mistakes.TripsOverNone,
        "stops at the first missing gradient": mistakes.StopsAtNone,
        "passes over a gradient of zeros, where momentum and decay still move the weight": mistakes.SkipsZeros,
        "a new state at every step, so that nothing is remembered": mistakes.ForgetsTheState,
        "multiplies the gradient itself by the rate": mistakes.ScalesTheGradient,
        "walks uphill": mistakes.Uphill,
    },
    minutes=12,
    level=2,
)


# 8.3


topic.exercise(
    Momentum,
    cases=probes.momentum_cases,
    hints=(
        "`state` is an empty dict at a parameter's first step: put `torch.zeros_like(param)` there under the name "
        "`momentum_buffer`. Later steps find it again.",
        "`buffer.mul_(group['momentum']).add_(grad)` changes the stored tensor. The rate multiplies what is subtracted "
        "from the parameter, not what goes into the buffer. With `nesterov` the direction is grad + momentum · buffer.",
    ),
    wrong={
        "an average of gradients, where PyTorch's is a sum": mistakes.Average,
        "the rate inside the buffer, where a schedule comes too late": mistakes.RateInside,
        "nesterov makes no difference": mistakes.NeverNesterov,
        "nesterov along grad + buffer, where grad + momentum · buffer is wanted": mistakes.WholeBufferAhead,
        "keeps no buffer from step to step": mistakes.KeepsNoBuffer,
        "buffer * momentum + grad is a new tensor, and the state keeps the old one": mistakes.BufferNotStored,
        "the first buffer is the gradient itself, not a copy": mistakes.GradientAsBuffer,
    },
    minutes=8,
    level=1,
)


# 8.4


topic.exercise(
    PlainAdamW,
    name="AdamW",
    cases=probes.adamw_cases,
    hints=(
        "Where `state` is empty, fill it: `state['step'] = 0`, and `torch.zeros_like(param)` for each average. Then "
        "count the step, shrink the weight, call your two functions for each average, and step.",
        "`v = average_in_place(state['exp_avg_sq'], grad.square(), beta2)`, and `v_hat = corrected(v, beta2, "
        "state['step'])`. The decay is `param.mul_(1 - lr * weight_decay)`, the step "
        "`param.sub_(lr * m_hat / (v_hat.sqrt() + eps))`, both with the group's numbers.",
    ),
    wrong={
        "no bias correction": mistakes.NoCorrection,
        "the decay goes into the gradient: this is L2, as in Adam": mistakes.L2,
        "eps inside the root": mistakes.EpsInside,
        "eps beside √v, before the correction": mistakes.EpsBeforeCorrection,
        "one step count for all parameters": mistakes.SharedClock,
        "the decay after the step": mistakes.LateDecay,
        "the decay without the rate": mistakes.WithoutTheRate,
        "counts its steps from 2": mistakes.FromTwo,
    },
    minutes=14,
    level=2,
)


topic.exercise(
    optimizers.average_in_place,
    cases=probes.average_cases,
    hints=(
        "Two changes of the same tensor: make it `beta` times as large, then add a share of `new`.",
        "`average.mul_(beta)` first; then `.add_` what is left, (1 − beta) times `new`. Both return the tensor.",
    ),
    wrong={
        "returns a new tensor, and what was kept stays old": mistakes.average_elsewhere,
        "returns a copy of `average`": mistakes.average_copied,
        "adds all of the new value: a sum": mistakes.sum_in_place,
        "beta on the new value, and 1 − beta on the old": mistakes.average_swapped,
        "changes the new value": mistakes.average_spoils,
    },
    minutes=6,
    level=1,
    of="AdamW",
)


topic.exercise(
    optimizers.corrected,
    cases=probes.corrected_cases,
    hints=("It is one division. A power is written `beta**step`.", "Divide by `(1 - beta**step)`, with the brackets."),
    wrong={
        "changes what it was given": mistakes.corrected_in_place,
        "the same share at every step": mistakes.corrected_once,
        "multiplies, where the average is to become larger": mistakes.corrected_down,
        "begins to count at 0": mistakes.corrected_late,
    },
    minutes=6,
    level=1,
    of="AdamW",
)


# 8.5


topic.exercise(
    optimizers.cosine_lr,
    cases=probes.cosine_cases,
    hints=(
        "Begin with the refusals. Then three stretches, each with its own return: step < warmup_steps, step >= "
        "total_steps, and what is left. There, a progress runs from 0 to 1.",
        "progress = (step − warmup_steps) / (total_steps − warmup_steps); (1 + cos(π · progress)) / 2 falls from 1 to "
        "0, and the rate is min_lr plus that share of (max_lr − min_lr).",
    ),
    wrong={
        "progress counted from step 0, not from the end of the warm-up": mistakes.progress_from_zero,
        "rises again after the end": mistakes.rises_again,
        "falls to zero instead of min_lr": mistakes.down_to_zero,
        "falls along a straight line": mistakes.a_line,
        "the warm-up begins at step 1": mistakes.warms_from_one,
        "takes arguments that do not fit together": mistakes.unchecked,
    },
    minutes=12,
    level=2,
)


# 8.6 and 8.7


topic.exercise(
    AdaGrad,
    cases=probes.adagrad_cases,
    hints=(
        "The state is one tensor, `sum`. It grows by the square of each gradient and is never made smaller.",
        "`state['sum'].add_(grad.square())`, then subtract lr · grad / (√sum + eps): the root first, then eps.",
    ),
    wrong={
        "averages the squares, so that the steps never shrink": mistakes.AveragesSquares,
        "forgets the root": mistakes.NoRoot,
        "eps inside the root": mistakes.EpsInsideSum,
        "the square of the last gradient alone": mistakes.LastSquare,
        "one sum for all weights": mistakes.OneSum,
    },
    minutes=7,
    level=1,
)


topic.exercise(
    RMSProp,
    cases=probes.rmsprop_cases,
    hints=(
        "Your AdaGrad with one line changed: the sum is replaced by an average that forgets.",
        "`state['square_avg'].mul_(group['alpha']).add_((1 - group['alpha']) * grad.square())`.",
    ),
    wrong={
        "a sum that decays, where an average is wanted": mistakes.StillSums,
        "alpha on the new square, and 1 − alpha on the old average": mistakes.WeightsSwapped,
        "eps inside the root": mistakes.EpsInsideAverage,
        "the rate that it was made with, not the group's": mistakes.ItsFirstRate,
        "squares the gradient itself": mistakes.SquaresTheGradient,
    },
    minutes=7,
    level=1,
)


# 8.8


topic.exercise(
    optimizers.plain_clip_grad_norm_,
    name="clip_grad_norm_",
    cases=probes.clip_cases,
    hints=(
        "One norm for all gradients together: the root of the sum of all squares. Then one factor for all.",
        "factor = min(1, max_norm / (norm + 1e-6)); multiply each gradient in place, `grad.mul_(factor)`, where the "
        "norm is finite. Return the norm from before, as a float; without any gradient that is 0.",
    ),
    wrong={
        "clips each parameter by itself": mistakes.each_by_itself,
        "clips each element": mistakes.each_element,
        "scales small gradients up": mistakes.scales_up,
        "returns the norm after clipping": mistakes.norm_after,
        "an infinite norm makes all gradients 0 or NaN": mistakes.clips_the_infinite,
        "goes over the parameters twice: an iterator is empty by then": mistakes.looks_twice,
        "divides by the norm without the 1e-6": mistakes.rescaled(
            lambda norm, max_norm: min(1.0, max_norm / (norm or 1.0))
        ),
    },
    minutes=15,
    level=2,
)


# Predictions


topic.prediction(
    "momentum_length",
    answer=10.0,
    tolerance=0.01,
    why="1 + 0.9 + 0.81 + … ends at 10. There nothing changes any more: 10 = 0.9 · 10 + 1. "
    "PyTorch's momentum is a decaying sum, ten times an average.",
    remarks={1.0: "That would be the length with an average of gradients."},
)
topic.prediction(
    "adagrad_step",
    answer=0.1,
    tolerance=0.01,
    why="The sum of a hundred equal squares is 100 g², its root 10 g: the step is lr · g / 10 g, whatever g is.",
    remarks={1.0: "That would be an average of the squares: its root stays at g.", 0.01: "The root is missing."},
)
topic.prediction(
    "adam_first_step",
    answer=1e-3,
    tolerance=0.02,
    why="At the first step m̂ = g and v̂ = g², so m̂/√v̂ is ±1: the step is lr long, whether g is 1e-6 or 1e6. "
    "For 1e-6 it is 1 % shorter: eps, 1e-8, is added to √v̂.",
    remarks={1e-9: "That is lr · g, the step of SGD.", 1e-4: "That is (1 − β₁) · lr: the averages without correction."},
)
topic.prediction(
    "adamw_state",
    answer=8,
    unit="bytes",
    why="Two float32 numbers for each parameter, exp_avg and exp_avg_sq: the state is twice as large as the model.",
    remarks={4: "That is one number; Adam keeps two.", 2: "Two numbers, of four bytes each."},
)


# Quiz


topic.question(
    "A weight is 3, its slope is −4, and the rate is 0.5. Where does one step of SGD lead?",
    "To 5: the step goes against the slope, 3 − 0.5 · (−4) = 5.",
)
topic.question(
    "You call backward() twice and clear nothing in between. What stands in .grad?",
    "The sum of both gradients. zero_grad() forgets the old one; with set_to_none, which is the default, .grad is None "
    "afterwards.",
)
topic.question(
    "Why does update change param in place, and not make a new tensor?",
    "The model holds the old tensor. A new one would be known to nobody, and the model would not change.",
)
topic.question(
    "What does your SGD do with a parameter whose .grad is None?",
    "It passes over it. With a gradient of zero, momentum would still move it by what its buffer remembers. That is "
    "why zero_grad sets gradients to None.",
)
topic.question(
    "You change momentum from 0 to 0.9 and keep lr. What happens to the length of the steps along a steady slope?",
    "They become ten times as long: PyTorch's buffer is a sum, and it settles at g / (1 − 0.9).",
)
topic.question(
    "More: a quadratic has curvatures 1 and 50. "
    "What is the largest stable rate of gradient descent? And with momentum 0.9?",
    "2/50 = 0.04, and (2 + 2 · 0.9)/50 = 0.076. The most curved direction alone decides.",
)
topic.question(
    "More: AdaGrad and RMSProp differ in one line. Which one, and what follows from it?",
    "AdaGrad adds squares up, RMSProp averages them with a decay. AdaGrad's steps die as 1/√t, RMSProp's recover once "
    "large gradients are forgotten.",
)
topic.question(
    "More: what is the difference between weight decay in Adam and in AdamW?",
    "Adam adds weight_decay · w to the gradient, which the division by √v̂ then evens out. AdamW shrinks the weight by "
    "lr · weight_decay of itself, untouched by √v̂.",
)
topic.question(
    "More: you rotate a loss by 30°. Whose path turns with it, and whose does not?",
    "Gradient descent's, momentum's and Muon's turn with it. AdaGrad, RMSProp and Adam divide axis by axis, and the "
    "axes stay where they are.",
)
topic.question(
    "More: why does an exp_avg_sq that is stored in bfloat16 stop falling?",
    "0.999 · v is nearer to v than to the next bfloat16 below, which is at least 0.2 % away: it is rounded back to v.",
)
