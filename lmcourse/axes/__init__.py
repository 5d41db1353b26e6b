"""What an einops pattern means, element by element.

A pattern is a loop nest: one loop for every axis name. `"b t (h d) -> b h t d"` says: for each b, h, t and d, the
output element at (b, h, t, d) is the input element at (b, t, h·D + d). From that one picture the rest follows, told in
four modules, in this order:

- `loops`: a pattern and shapes as a `LoopNest`, and as Python.
- `meaning`: the source of every element (`trace`), the cost (`einsum_flops`), whether anything has to move in memory
  (`is_view`), the type of the function that the pattern describes (`signature`).
- `shaping`: what the reader of notebook 04 writes.
- `examples`: what notebook 04 shows.

There is no grammar here, einops has it, and nothing is computed quickly; for that, call einops. Written for einops 0.8
(https://einops.rocks) with PyTorch as its backend.
"""

from lmcourse.axes.examples import alike, checked, refused, written_out
from lmcourse.axes.loops import OPERATIONS, REDUCTIONS, LoopNest, loop_nest, operation_of, reason, run
from lmcourse.axes.meaning import TERMS_LIMIT, einsum_flops, is_view, signature, trace
from lmcourse.axes.shaping import (
    attention_scores,
    mean_pool,
    merge_group,
    patchify,
    permute_names,
    rearrange_group,
    split_group,
    split_heads,
)
