"""Answers to the exercises of 09: right ones in other styles than the reference's, wrong ones as readers write them."""

import math
import random

import numpy as np
import torch
from torch import nn

from lmcourse import training
from lmcourse.model import cross_entropy
from lmcourse.optimizers import clip_grad_norm_

# Right


def norm_of_pytorch(x, gain):
    return nn.functional.rms_norm(x, (x.shape[-1],), gain, 1e-5)


def norm_with_a_power(x, gain):
    return gain * x * ((x**2).mean(-1, keepdim=True) + 1e-5) ** -0.5


def block_in_one_line(x, norm_1, attention, norm_2, feed_forward):
    return (y := x + attention(norm_1(x))) + feed_forward(norm_2(y))


def transformer_by_index(ids, embedding, blocks, norm, head):
    x = embedding(ids)
    for k in range(len(blocks)):
        x = blocks[k](x)
    x = norm(x)
    return head(x)


def gate_of_pytorch(x, w1, w2, w3):
    return w2(nn.functional.silu(w1(x)) * w3(x))


def gate_with_exp(x, w1, w2, w3):
    gate = w1(x)
    return w2(w3(x) * gate / (1 + torch.exp(-gate)))


def turn_with_slices(x, table):
    turned = torch.empty_like(x)
    turned[..., 0::2], turned[..., 1::2] = -x[..., 1::2], x[..., 0::2]
    return x * table[0] + turned * table[1]


def turn_with_complex_numbers(x, table):
    angle = torch.complex(table[0, :, ::2], table[1, :, ::2])
    return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous()) * angle).flatten(-2)


def attention_of_pytorch(query, key, value, mask=None):
    return nn.functional.scaled_dot_product_attention(query, key, value, mask)


def attention_with_where(query, key, value, mask=None):
    scores = torch.einsum("...qd,...kd->...qk", query, key) * query.shape[-1] ** -0.5
    if mask is not None:
        scores = torch.where(mask, scores, -torch.inf)
    return torch.softmax(scores, -1) @ value


def entropy_of_pytorch(logits, targets):
    return nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))


def entropy_by_position(logits, targets):
    losses = []
    for row, target in zip(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1)):
        row = row - row.max()
        losses.append(torch.log(torch.exp(row).sum()) - row[target])
    return sum(losses) / len(losses)


def entropy_one_hot(logits, targets):
    hot = nn.functional.one_hot(targets, logits.shape[-1])
    return (logits.logsumexp(-1) - (hot * logits).sum(-1)).mean()


def bits_with_log2(nats_per_token, num_tokens, num_bytes):
    if min(num_tokens, num_bytes) <= 0:
        raise ValueError
    return np.float64(num_tokens * nats_per_token / (math.log(2) * num_bytes))


def step_by_parameter(model, optimizer, x, y, max_norm=1.0):
    for parameter in model.parameters():
        parameter.grad = None
    loss = cross_entropy(model(x), y)
    loss.backward()
    norm = math.sqrt(sum(parameter.grad.square().sum().item() for parameter in model.parameters()))
    for parameter in model.parameters():
        parameter.grad *= min(1.0, max_norm / norm)
    optimizer.step()
    return loss.detach().item()


def resume_data_first(path, model, optimizer, sampler):
    state = training.checkpoint_state(path)
    for name in ("data", "rng"):
        if state.get(name) is None:
            raise ValueError(f"{name} is missing in {path}")
    sampler.load_state_dict(state["data"])
    training.load_checkpoint(path, model, optimizer)
    training.set_rng_state(state["rng"])
    return state["step"]


def nucleus_in_a_loop(logits, top_p, *, generator=None):
    if top_p <= 0 or top_p > 1:
        raise ValueError("top_p: more than 0 and at most 1")
    shares, kept, total = torch.softmax(logits.double(), 0), [], 0.0
    for token in sorted(range(len(shares)), key=lambda token: -shares[token].item()):
        if total >= top_p:
            break
        kept.append(token)
        total += shares[token].item()
    return kept[torch.multinomial(shares[kept], 1, generator=generator)]


RIGHT = {
    "rms_norm": [norm_of_pytorch, norm_with_a_power],
    "block": [block_in_one_line],
    "transformer": [transformer_by_index],
    "swiglu": [gate_of_pytorch, gate_with_exp],
    "rotate": [turn_with_slices, turn_with_complex_numbers],
    "scaled_dot_product_attention": [attention_of_pytorch, attention_with_where],
    "cross_entropy": [entropy_of_pytorch, entropy_by_position, entropy_one_hot],
    "bits_per_byte": [bits_with_log2],
    "train_step": [step_by_parameter],
    "resume": [resume_data_first],
    "sample_top_p": [nucleus_in_a_loop],
}


# Wrong


def norm_with_the_std(x, gain):
    return x / (x.std(dim=-1, keepdim=True) + 1e-5) * gain


def norm_of_absolute_values(x, gain):
    return x / (x.abs().mean(dim=-1, keepdim=True) + 1e-5) * gain


def block_with_parts_exchanged(x, norm_1, attention, norm_2, feed_forward):
    x = x + feed_forward(norm_1(x))
    return x + attention(norm_2(x))


def transformer_of_two_blocks(ids, embedding, blocks, norm, head):
    x = embedding(ids)
    for layer in blocks[:2]:
        x = layer(x)
    return head(norm(x))


def gate_of_x(x, w1, w2, w3):
    return w2(nn.functional.silu(x) * w3(x))


def turn_the_first_pair(x, table):
    turned = x.clone()
    a, b = x[..., 0], x[..., 1]
    turned[..., 0] = a * table[0, :, 0] - b * table[1, :, 0]
    turned[..., 1] = a * table[1, :, 0] + b * table[0, :, 0]
    return turned


def attention_always_causal(query, key, value, mask=None):
    return nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)


def entropy_of_clamped_logits(logits, targets):
    z = logits.clamp(-80, 80)
    return (z.exp().sum(-1).log() - z.gather(-1, targets[..., None])[..., 0]).mean()


def entropy_with_a_little_more(logits, targets):
    shares = logits.softmax(-1).gather(-1, targets[..., None])
    return -(shares + 1e-9).log().mean()


def entropy_of_the_first_window(logits, targets):
    return cross_entropy(logits[:1], targets[:1])


def bits_of_any_number_of_tokens(nats_per_token, num_tokens, num_bytes):
    if num_bytes <= 0:
        raise ValueError
    return nats_per_token * num_tokens / num_bytes / math.log(2)


def bits_rounded(nats_per_token, num_tokens, num_bytes):
    if min(num_tokens, num_bytes) <= 0:
        raise ValueError
    return round(nats_per_token * num_tokens / num_bytes / math.log(2), 3)


def step_with_its_own_norm(model, optimizer, x, y, max_norm=1.0):
    optimizer.zero_grad()
    loss = cross_entropy(model(x), y)
    loss.backward()
    clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def step_clipped_by_value(model, optimizer, x, y, max_norm=1.0):
    optimizer.zero_grad()
    loss = cross_entropy(model(x), y)
    loss.backward()
    nn.utils.clip_grad_value_(model.parameters(), max_norm)
    optimizer.step()
    return loss.item()


def resume_without_refusing_rng(path, model, optimizer, sampler):
    state = training.checkpoint_state(path)
    if "data" not in state:
        raise ValueError("no data")
    step = training.load_checkpoint(path, model, optimizer)
    sampler.load_state_dict(state["data"])
    if "rng" in state:
        training.set_rng_state(state["rng"])
    return step


def resume_with_a_key_error(path, model, optimizer, sampler):
    state = training.checkpoint_state(path)
    sampler.load_state_dict(state["data"])
    training.set_rng_state(state["rng"])
    return training.load_checkpoint(path, model, optimizer)


def resume_seeded(path, model, optimizer, sampler):
    state = training.checkpoint_state(path)
    if not {"data", "rng"} <= state.keys():
        raise ValueError
    step = training.load_checkpoint(path, model, optimizer)
    sampler.load_state_dict(state["data"])
    torch.manual_seed(step)
    random.seed(step)
    return step


def nucleus_that_takes_the_seed_once(logits, top_p, *, generator=None):
    generator = torch.Generator().manual_seed(0)
    return training.sample_top_p(logits, top_p, generator=generator)


def nucleus_without_the_last(logits, top_p, *, generator=None):
    if not 0 < top_p <= 1:
        raise ValueError
    shares, order = logits.double().softmax(-1).sort(descending=True)
    count = max(1, int((shares.cumsum(0) < top_p).sum()))
    return int(order[torch.multinomial(shares[:count], 1, generator=generator)])


WRONG = {
    "rms_norm": [norm_with_the_std, norm_of_absolute_values],
    "block": [block_with_parts_exchanged],
    "transformer": [transformer_of_two_blocks],
    "swiglu": [gate_of_x],
    "rotate": [turn_the_first_pair],
    "scaled_dot_product_attention": [attention_always_causal],
    "cross_entropy": [entropy_of_clamped_logits, entropy_with_a_little_more, entropy_of_the_first_window],
    "bits_per_byte": [bits_of_any_number_of_tokens, bits_rounded],
    "train_step": [step_with_its_own_norm, step_clipped_by_value],
    "resume": [resume_without_refusing_rng, resume_with_a_key_error, resume_seeded],
    "sample_top_p": [nucleus_that_takes_the_seed_once, nucleus_without_the_last],
}
