"""Practice beside notebook 08: see the package."""

SLIPS = {
    "Momentum": {
        "an average of gradients, where PyTorch's is a sum": (".add_(grad)", '.add_((1 - group["momentum"]) * grad)'),
        "buffer * momentum + grad is a new tensor, and the state keeps the old one": (
            'state["momentum_buffer"].mul_(group["momentum"]).add_(grad)',
            'state["momentum_buffer"] * group["momentum"] + grad',
        ),
        "nesterov along grad + buffer, where grad + momentum · buffer is wanted": (
            'grad + group["momentum"] * buffer if',
            "grad + buffer if",
        ),
    },
    "AdamW": {
        "eps inside the root": ('(v_hat.sqrt() + group["eps"])', '(v_hat + group["eps"]).sqrt()'),
        "the decay without the rate": ('1 - group["lr"] * group["weight_decay"]', '1 - group["weight_decay"]'),
    },
    "cosine_lr": {
        "progress counted from step 0, not from the end of the warm-up": (
            "(step - warmup_steps) / (total_steps - warmup_steps)",
            "step / total_steps",
        ),
        "falls along a straight line": (
            "min_lr + 0.5 * (1 + math.cos(math.pi * progress)) * (max_lr - min_lr)",
            "max_lr + progress * (min_lr - max_lr)",
        ),
        "the warm-up begins at step 1": ("max_lr * step / warmup_steps", "max_lr * (step + 1) / warmup_steps"),
    },
    "AdaGrad": {
        "forgets the root": ('(state["sum"].sqrt() + group["eps"])', '(state["sum"] + group["eps"])'),
        "eps inside the root": ('(state["sum"].sqrt() + group["eps"])', '(state["sum"] + group["eps"]).sqrt()'),
        "the square of the last gradient alone": ('state["sum"].add_(grad', 'state["sum"].copy_(grad'),
    },
    "RMSProp": {
        "a sum that decays, where an average is wanted": ('.add_((1 - group["alpha"]) * grad', ".add_(grad"),
        "eps inside the root": (
            '(state["square_avg"].sqrt() + group["eps"])',
            '(state["square_avg"] + group["eps"]).sqrt()',
        ),
        "squares the gradient itself": ("* grad.square())", "* grad.square_())"),
    },
    "clip_grad_norm_": {
        "scales small gradients up": ("min(1.0, max_norm / (norm + 1e-6))", "max_norm / (norm + 1e-6)"),
        "goes over the parameters twice: an iterator is empty by then": (
            "[param.grad for param in parameters if param.grad is not None]",
            "(param.grad for param in parameters if param.grad is not None)",
        ),
    },
}

WHY = {
    "step_downhill": (
        "Why is there a minus in `weight - lr * slope`?",
        "The slope says where the loss rises. A step against it goes down, on either side of the valley.",
    ),
    "SGD": (
        'Why does `param.sub_(group["lr"] * grad)` have an underscore in its name?',
        "It changes the parameter that the model holds. `param = param - ...` would make a new tensor under the old "
        "name, and the model would not notice.",
    ),
    "Momentum": (
        "What does `if not state:` find at the first step, and what does `torch.zeros_like(param)` give?",
        "An empty dict: this parameter was never updated. Its buffer begins with zeros in its own shape, so the first "
        "direction is the gradient alone.",
    ),
    "AdamW": (
        'Why is `group["eps"]` added after `v_hat.sqrt()`, and not under the root?',
        "It keeps the division finite where v is 0. Under the root 1e-8 would act as 1e-4, and small gradients would "
        "take much smaller steps.",
    ),
    "average_in_place": (
        "Why does `average.mul_(beta)` change the average, and not make a new one?",
        "The optimizer's state holds this tensor. A new one would be thrown away after the step, and the next would "
        "begin with the old average.",
    ),
    "corrected": (
        "What is `1 - beta**step` at the first step, and what does dividing by it undo?",
        "It is 1 − beta, the share that the first value got. The average began at 0; divided by that share it is the "
        "first value itself.",
    ),
    "cosine_lr": (
        "What is `progress` at the end of the warm-up, and what is the cosine there?",
        "0, and cos 0 is 1: so the rate is max_lr, where the warm-up arrived. At the end it is 1, and cos π is −1.",
    ),
    "AdaGrad": (
        'What does `state["sum"].add_(grad.square())` do to the steps of a long run?',
        "The sum never shrinks, so its root grows and the steps become smaller. A weight with large gradients slows "
        "down first.",
    ),
    "RMSProp": (
        'What does `.mul_(group["alpha"])` change against AdaGrad?',
        "Old squares fade. The divisor follows the gradients of late, and the steps do not die away.",
    ),
    "clip_grad_norm_": (
        "What does `min(1.0, ...)` keep from happening?",
        "A gradient that is short already would be made longer, up to max_norm. Clipping shortens, and leaves the rest "
        "alone.",
    ),
}
