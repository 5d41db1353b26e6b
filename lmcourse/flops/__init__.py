"""How many FLOPs, days and bytes a training run takes, counted before it starts.

FLOPs are an amount, FLOP/s a rate. A multiply and an add are two FLOPs. Everything here is arithmetic on sizes, told
in six modules, in this order; only `trace_costs` and `examples` need PyTorch:

- `shapes`: the sizes of a model, and of released ones.
- `counting`: the FLOPs and the parameters of a Transformer part by part, days, utilisation under five conventions.
- `memory`: what a step keeps, part by part and moment by moment.
- `roofline`: what limits an operation, arithmetic or memory.
- `tracing`: the costs of operations as PyTorch runs them.
- `examples`: the models that notebook 05 measures; imported by its own name.

Not here: communication between devices, pipeline bubbles, mixture of experts; elementwise work is counted in the
roofline's costs and, as everywhere in the field, left out of the FLOPs of a model.
"""

from lmcourse.flops.counting import (
    CONVENTIONS,
    SECONDS_PER_DAY,
    attention_flops,
    compute_optimal,
    flops_per_token,
    matmul_flops,
    mfu,
    projection_flops,
    training_days,
    training_flops,
    transformer_flops,
    transformer_params,
)
from lmcourse.flops.memory import (
    BYTES_PER_NUMBER,
    MOMENTS,
    SHARDING,
    activation_bytes,
    max_parameters,
    memory_bytes_per_parameter,
    memory_timeline,
    training_memory,
)
from lmcourse.flops.roofline import (
    Cost,
    arithmetic_intensity,
    elementwise_cost,
    matmul_cost,
    model_costs,
    ridge_point,
    roofline_flop_per_s,
    textbook_costs,
)
from lmcourse.flops.shapes import PUBLISHED, Published, TransformerShape, require_positive, shape_of
from lmcourse.flops.tracing import trace_costs
