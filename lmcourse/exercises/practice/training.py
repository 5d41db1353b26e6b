"""Practice beside notebook 09: see the package."""

SLIPS = {
    "transformer": {
        "the head before the norm": ("return head(norm(x))", "return norm(head(x))"),
        "the norm after every block": ("x = layer(x)", "x = norm(layer(x))"),
        "adds x again to what a block gives": ("x = layer(x)", "x = x + layer(x)"),
    },
    "train_step": {
        "returns the graph": ("return loss.item()", "return loss"),
        "clips each weight by itself": (
            "clip_grad_norm_(model.parameters(), max_norm)",
            "for weight in model.parameters():\n    clip_grad_norm_(weight, max_norm)",
        ),
    },
    "scaled_dot_product_attention": {
        "divides by the size, not by its root": ("math.sqrt(query.shape[-1])", "query.shape[-1]"),
        "the mask the wrong way round": ("masked_fill(~mask", "masked_fill(mask"),
        "a score of 0 where nothing may be seen": ("-math.inf", "0.0"),
    },
    "cross_entropy": {
        "exp overflows": ("logits - logits.detach().amax(dim=-1, keepdim=True)", "logits"),
        "one maximum for all positions": ("amax(dim=-1, keepdim=True)", "max()"),
        "a sum": ("- at_target).mean()", "- at_target).sum()"),
    },
    "resume": {
        "the step and nothing else": ("load_checkpoint(path, model, optimizer)", 'state["step"]'),
        "sets the position of a BatchSampler": (
            'sampler.load_state_dict(state["data"])',
            'sampler.position = state["data"]["position"]',
        ),
    },
    "sample_top_p": {
        "drops the token that crosses top_p": ("probabilities.cumsum(0) - probabilities", "probabilities.cumsum(0)"),
        "keeps one more where top_p is reached exactly": ("before >= top_p", "before > top_p"),
        "a rank instead of a token": (
            "int(order[torch.multinomial(probabilities, 1, generator=generator)])",
            "int(torch.multinomial(probabilities, 1, generator=generator))",
        ),
    },
}

WHY = {
    "rms_norm": (
        "What does the small number in `mean_square + 1e-5` save, and where?",
        "A vector of zeros: its mean square is 0, and 0 divided by 0 is NaN. For all others it changes almost nothing.",
    ),
    "block": (
        "Why does `norm_2(x)` get the x after attention, and not the one that came in?",
        "The feed-forward part works on what attention has gathered. With the old x the two parts would stand side by "
        "side, and not one after the other.",
    ),
    "transformer": (
        "What would `out = layer(x)` in place of `x = layer(x)` make of all blocks but the last?",
        "Nothing: each would begin with the embedding again, and its result would be overwritten. x must carry the "
        "work from block to block.",
    ),
    "train_step": (
        "Why does `loss.item()` stand in the return, and not the loss itself?",
        "The loss is a tensor that holds the graph of the whole step. A list of losses would keep all of those graphs "
        "in memory.",
    ),
    "swiglu": (
        "What can `silu(w1(x)) * w3(x)` do that one matrix and a silu cannot?",
        "It multiplies two views of x. One opens or closes the other, number by number: that is the gate.",
    ),
    "rotate": (
        "Why is it `torch.stack([-odd, even], dim=-1)`, with the minus at the odd ones?",
        "A right angle takes (a, b) to (−b, a). The first number of the new pair is minus the second of the old one.",
    ),
    "scaled_dot_product_attention": (
        "Why are forbidden scores set to `-math.inf`, and not to 0?",
        "A softmax takes exp of each score. That of −∞ is 0: no share. That of 0 is 1: the place would be looked at.",
    ),
    "cross_entropy": (
        "Why may `logits.detach().amax(dim=-1, keepdim=True)` be subtracted without changing the loss?",
        "The same number is taken from the target's logit and from all under the logarithm. It cancels, and exp cannot "
        "overflow any more.",
    ),
    "bits_per_byte": (
        "Which two changes of unit are in `num_tokens / num_bytes / math.log(2)`?",
        "From each token to each byte, and from nats to bits. Then models with different tokenizers can be compared.",
    ),
    "resume": (
        'What would go on as before without `sampler.load_state_dict(state["data"])`, and what would not?',
        "Weights and optimizer would be right. The data would begin again with the first batch, so the run would see "
        "other batches than without a stop.",
    ),
    "sample_top_p": (
        "Why is `probabilities` subtracted again in `probabilities.cumsum(0) - probabilities`?",
        "A token stays if those before it have not reached top_p. Its own share must not count, or the one that "
        "crosses top_p would be dropped.",
    ),
}
