"""Drawings that several cells share. Only drawing: every value comes from the modules of the topics."""

from lmcourse.support.drawings.costs import (
    block_products,
    bytes_per_parameter,
    memory_of_step,
    peak_by_segments,
    roofline,
    shares,
    transformer_block,
)
from lmcourse.support.drawings.floats import number_line, ranges, staircase, worked_example
from lmcourse.support.drawings.tensors import (
    named_axes,
    show_axes,
    show_blocks,
    show_shares,
    show_tensors,
)
