"""NextToken: what a model would say next, the roads that were taken, what it looks at, and what surprises it.

Python computes the logits of a text and the page does the rest: the cut of temperature, top-k and top-p, the die, the
tree of roads. Where the model is the course's recorded one a page without a kernel computes the logits itself
(rules/model.js); of any other one it has the first distribution. How a model is trained is not here.
"""

import base64
import html
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import traitlets
from jaxtyping import Float
from torch import Tensor, nn

from lmcourse.model import KVCache, TransformerLM, softmax
from lmcourse.recorded import tales_model
from lmcourse.support import checks
from lmcourse.training.evaluation import eval_mode
from lmcourse.widgets.any_tokenizer import encode, special_ids, token_bytes
from lmcourse.widgets.base import CourseWidget
from lmcourse.widgets.merge_film import check_text, shown
from lmcourse.widgets.tokenizer_lens import in_page

MOST = 4000  # characters of a text
MOST_TOKENS = 1024  # that a model sees which does not say how many it can
SHOWN = 64  # tokens of a distribution that the page gets the bytes of
LARGEST = 8192  # vocabulary whose logits a saved notebook takes along
NOT_THROWN, GIVEN = -1, -2  # what stands in a node of the tree where no die chose its token


class NextToken(CourseWidget):
    """The distribution of the next token, and the ways through it.

    Args:
        model: a `TransformerLM`, or any function of ids `(batch, seq)` that returns logits `(batch, seq, vocab)`.
        tokenizer: anything with `encode` and `decode`.
        text: how the text begins; at least one token.
        temperature, top_k, top_p: how a token is drawn, as in `lmcourse.training.generate`.
        seed: of the die.
        surprise: the text whose losses are shown; `text` where there is none.

    Attention is shown where the model is a `TransformerLM`. Raises ValueError or TypeError naming the argument.

    >>> from lmcourse.tokenization import ByteTokenizer
    >>> vowels = torch.eye(256)[[97, 101, 111]].mT @ torch.tensor([8.0, 10.0, 9.0])
    >>> def model(ids): return vowels.expand(*ids.shape, 256)
    >>> NextToken(model, ByteTokenizer(), "th")
    NextToken: after “th” the model gives “e” 66.0 %, “o” 24.3 %, “a” 8.9 %
    """

    text = traitlets.Unicode().tag(sync=True)
    tree = traitlets.List().tag(sync=True)  # nodes [the node before, id, piece, throw of the die]; see rules/roads.js
    cursor = traitlets.Int().tag(sync=True)
    leaf = traitlets.Int().tag(sync=True)
    draws = traitlets.Int(0).tag(sync=True)
    temperature = traitlets.Float().tag(sync=True)
    top_k = traitlets.Int().tag(sync=True)  # 0: all
    top_p = traitlets.Float().tag(sync=True)  # 1: all
    seed = traitlets.Int().tag(sync=True)
    view = traitlets.Unicode("next").tag(sync=True)
    head = traitlets.List().tag(sync=True)
    surprise = traitlets.Unicode().tag(sync=True)
    first = traitlets.Dict().tag(sync=True)
    losses = traitlets.Dict().tag(sync=True)
    about = traitlets.Dict().tag(sync=True)
    stops = traitlets.List().tag(sync=True)
    local = traitlets.Dict().tag(sync=True)
    page_model = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        model: nn.Module | Callable[[Tensor], Tensor],
        tokenizer: Any,
        text: str = "One day",
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
        surprise: str | None = None,
    ):
        if not callable(model):
            raise TypeError(f"model: a TransformerLM or a function of ids (batch, seq), got {checks.got(model)}")
        for name in ("encode", "decode"):
            if not callable(getattr(tokenizer, name, None)):
                raise TypeError(f"tokenizer: something with encode and decode, got {checks.got(tokenizer)}")
        if top_p is not None and not 0 < checks.number("top_p", top_p) <= 1:
            raise ValueError(f"top_p: more than 0 and at most 1, or None, got {top_p!r}")
        self._model, self._tokenizer = model, tokenizer
        self._seen: tuple[list[int], KVCache | None] = ([], None)
        ids = self._encode("text", text)
        size = getattr(tokenizer, "n_vocab", None) or getattr(tokenizer, "vocab_size", None)
        about = {"name": "", "size": int(size) if isinstance(size, int) else 0}
        tree = [[k - 1, i, piece, GIVEN] for k, (i, piece) in enumerate(zip(ids, self._pieces(ids)))]
        super().__init__(
            title="What the model would say next",
            source=f"Logits: {_origin(model)}, torch {torch.__version__.split('+')[0]}; "
            "cut, die and shares: this page, by the rules of lmcourse.training.sampling",
            text=text,
            tree=tree,
            cursor=len(tree) - 1,
            leaf=len(tree) - 1,
            temperature=checks.number("temperature", temperature, 0, 2),
            top_k=0 if top_k is None else checks.whole("top_k", top_k, 1),
            top_p=1.0 if top_p is None else float(top_p),
            seed=checks.whole("seed", seed, 0, 2**31 - 1),
            head=[0, 0],
            surprise=text if surprise is None else surprise,
            first=self._first(ids),
            losses=self._losses(text if surprise is None else surprise),
            about=_sizes(model),
            stops=sorted(special_ids(tokenizer).values()),
            local=in_page(about, tokenizer) or {},
            page_model="tales" if _is_recorded(model) else "",
        )
        own = ("first", "losses", "local")  # more than a link carries; the page that it opens on has its own
        self._share = self._share | {"names": [name for name in self._share["names"] if name not in own]}

    @classmethod
    def example(cls) -> "NextToken":
        surprise = (
            "Once upon a time, a shy duck called Ada lived near the mill. The day was very hot. So Ben ate the moon."
        )
        return cls(*tales_model(), "Once upon a time, a", temperature=0.8, top_p=0.4, seed=1, surprise=surprise)

    # What the page asks

    def answer(self, question: dict) -> dict:
        """The logits or the attention of ids, the losses of a text, or the tokens of a text to begin with."""
        match question:
            case {"logits": list(ids)}:
                logits = self._logits(self._checked(ids))
                return {"logits": _packed(logits), "known": self._known(logits)}
            case {"attention": list(ids)}:
                return {"heads": self._attention(self._checked(ids))}
            case {"losses": str(text)}:
                return self._losses(text)
            case {"text": str(text)}:
                ids = self._encode("text", text)
                return {"text": text, "ids": ids, "pieces": self._pieces(ids)}
        raise ValueError(f"question: logits, attention, losses or text, got {checks.got(question)}")

    def _checked(self, ids: list) -> list[int]:
        if not 1 <= len(ids) <= MOST_TOKENS:
            raise ValueError(f"ids: 1 to {MOST_TOKENS} tokens, got {len(ids)}")
        return list(checks.integers("ids", ids, 0))

    def _encode(self, name: str, text: str) -> list[int]:
        check_text(name, text)
        if len(text) > MOST:
            raise ValueError(f"{name}: at most {MOST} characters, got {len(text)}")
        ids = encode(self._tokenizer, text, "all")
        if not ids:
            raise ValueError(f"{name}: at least one token, got {text!r}; a model goes on with a text, it begins none")
        vocab_size = _sizes(self._model).get("vocab_size", math.inf)
        if max(ids) >= vocab_size:
            raise ValueError(f"tokenizer: ids below {vocab_size}, the model's vocabulary, got {max(ids)}")
        return ids[:MOST_TOKENS]

    def _pieces(self, ids: list[int]) -> list[str]:
        """The bytes of each token, one character a byte; `[id]` for an id that the tokenizer does not have."""
        pieces = []
        for i in ids:
            try:
                pieces.append(token_bytes(self._tokenizer, [i])[0].decode("latin-1"))
            except Exception:  # a model may have more rows than its tokenizer has tokens, and each says so in its way
                pieces.append(f"[{i}]")
        return pieces

    def _known(self, logits: Float[Tensor, "vocab"]) -> dict[int, str]:
        """The pieces of the most probable tokens."""
        top = logits.argsort(descending=True, stable=True)[:SHOWN].tolist()
        return dict(zip(top, self._pieces(top)))

    def _first(self, ids: list[int]) -> dict:
        logits = self._logits(ids)
        known = self._known(logits)
        shares = softmax(logits.double())
        packed = _packed(logits) if len(logits) <= LARGEST else ""
        top = [[piece, round(float(shares[i]), 6)] for i, piece in list(known.items())[:12]]
        return {"ids": ids, "logits": packed, "top": top, "known": {str(i): piece for i, piece in known.items()}}

    # What the model says

    def _forward(self, ids: Tensor, *cache: KVCache) -> Float[Tensor, "seq vocab"]:
        with torch.no_grad():
            if isinstance(self._model, nn.Module):
                with eval_mode(self._model):
                    logits = self._model(ids.to(next(self._model.parameters(), ids).device), *cache)
            else:
                logits = self._model(ids)
        if not isinstance(logits, Tensor) or logits.dim() != 3 or logits.shape[:2] != ids.shape:
            got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ValueError(f"model: logits of shape (batch, seq, vocab) for ids {tuple(ids.shape)}, got {got}")
        return logits[0].float().cpu()

    def _window(self, ids: list[int]) -> list[int]:
        """What the model sees of a text: as in `windowOf` of rules/model.js, and as `generate` goes on."""
        context = _sizes(self._model).get("context_length", MOST_TOKENS)
        half = max(1, context // 2)
        over = len(ids) - context - 1
        return ids if over < 0 else ids[-(half + over % (context - half + 1)) :]

    def _logits(self, ids: list[int]) -> Float[Tensor, "vocab"]:
        """Logits of the token after `ids`; what a `TransformerLM` has seen of them is not computed again."""
        ids = self._window(ids)
        if not isinstance(self._model, TransformerLM):
            return self._forward(torch.tensor([ids]))[-1]
        seen, cache = self._seen
        same = next((k for k, (a, b) in enumerate(zip(seen, ids[:-1])) if a != b), min(len(seen), len(ids) - 1))
        if cache is None or same == 0:
            same, cache = 0, self._model.new_cache()
        cache.layers = [layer and (layer[0][..., :same, :], layer[1][..., :same, :]) for layer in cache.layers]
        self._seen = ([], None)  # until the new tokens are in it
        logits = self._forward(torch.tensor([ids[same:]]), cache)
        self._seen = (ids, cache)
        return logits[-1]

    def _losses(self, text: str) -> dict:
        """The loss of each token of a text in nats, with the token that the model expected; none for the first."""
        ids = self._encode("surprise", text)[: _sizes(self._model).get("context_length", MOST_TOKENS)]
        losses, expected = [None], [None]
        if len(ids) > 1:
            logits = self._forward(torch.tensor([ids]))[:-1].double()
            nats = logits.logsumexp(dim=-1) - logits.gather(-1, torch.tensor(ids[1:])[:, None])[:, 0]
            losses += [round(each, 4) for each in nats.tolist()]
            expected += self._pieces(logits.argmax(dim=-1).tolist())
        return {"text": text, "pieces": self._pieces(ids), "losses": losses, "expected": expected}

    def _attention(self, ids: list[int]) -> list[list[list[float]]]:
        if not isinstance(self._model, TransformerLM):
            raise ValueError("model: a TransformerLM, whose attention can be seen, got another one")
        ids = torch.tensor([self._window(ids)])
        with watched(self._model) as heads:
            self._forward(ids)
        return [[[round(share, 5) for share in head] for head in layer.tolist()] for layer in heads]

    # What a reader without a kernel sees

    def summary(self) -> str:
        top = ", ".join(f"“{_shown(piece)}” {_percent(share)}" for piece, share in self.first["top"][:3])
        return f"after “{_end(self.text)}” the model gives {top}"

    def snapshot(self) -> str:
        rows = "".join(
            f"<tr><td><code>{html.escape(_shown(piece))}</code></td><td>{_percent(share)}</td></tr>"
            for piece, share in self.first["top"]
        )
        return (
            f"<p>{html.escape(self.summary())}.</p>\n<table><thead><tr><th>next token</th><th>share</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )


class watched:
    """`with watched(model) as heads`: each layer's attention of the last position, `heads keys`, as it is computed.

    >>> model, _ = tales_model()
    >>> with watched(model) as heads:
    ...     _ = model(torch.tensor([[1, 2, 3]]))
    >>> len(heads) == model.config.num_layers, torch.allclose(heads[0].sum(dim=-1), torch.tensor(1.0))
    (True, True)
    """

    def __init__(self, model: TransformerLM):
        self.model, self.heads = model, []

    def __enter__(self) -> list[Float[Tensor, "heads keys"]]:
        look = lambda attention, args, more: self.heads.append(_weights(attention, args[0], more["rotation"]))  # noqa: E731
        self.hooks = [layer.attn.register_forward_pre_hook(look, with_kwargs=True) for layer in self.model.layers]
        return self.heads

    def __exit__(self, *_):
        for hook in self.hooks:
            hook.remove()


def _weights(attention: nn.Module, x: Tensor, rotation: Tensor) -> Float[Tensor, "heads keys"]:
    """softmax(Q Kᵀ / √d_head) of the last position, computed beside what the model computes."""
    config = attention.config
    query, key = (
        projection(x).unflatten(-1, (-1, config.d_head)).transpose(1, 2)
        for projection in (attention.q_proj, attention.k_proj)
    )
    if config.qk_norm:
        query, key = attention.q_norm(query), attention.k_norm(key)
    query, key = attention.parts.rotate(query, rotation), attention.parts.rotate(key, rotation)
    key = key.repeat_interleave(config.num_heads // config.num_kv_heads, dim=1)
    scores = query[:, :, -1:] @ key.transpose(-1, -2) / math.sqrt(config.d_head)
    return softmax(scores)[0, :, 0].float().cpu()


def _sizes(model: object) -> dict:
    """What the page wants to know of a `TransformerLM`; nothing of another model."""
    if not isinstance(model, TransformerLM):
        return {}
    names = ("num_layers", "num_heads", "context_length", "vocab_size")
    return {name: getattr(model.config, name) for name in names}


def _is_recorded(model: object) -> bool:
    """Whether a page has this very model: the recorded one, with the same weights."""
    recorded, _ = tales_model()
    if not isinstance(model, TransformerLM) or model.config != recorded.config:
        return False
    mine, its = model.state_dict(), recorded.state_dict()
    return all(torch.equal(mine[name].float().cpu(), its[name]) for name in its)


def _origin(model: object) -> str:
    if not isinstance(model, TransformerLM):
        return f"your {getattr(model, '__name__', type(model).__name__)}"
    return f"a TransformerLM of {sum(weight.numel() for weight in model.parameters()):,} parameters"


def _packed(logits: Float[Tensor, "vocab"]) -> str:
    """Numbers as base64 of float32."""
    return base64.b64encode(logits.numpy().astype(np.float32).tobytes()).decode("ascii")


def _percent(share: float) -> str:
    return "under 0.1 %" if share < 0.0005 else f"{100 * share:.1f} %"


def _shown(piece: str) -> str:
    return shown(piece.encode("latin-1"))


def _end(text: str) -> str:
    """The end of a text, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"…{line[-59:]}"
