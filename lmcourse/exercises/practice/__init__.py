"""What a reader practises beside the cases, a file a topic: lines of known mistakes, and a question after the ✓.

`SLIPS[exercise][wrong answer]` is a part of the solution and what that wrong answer has in its place: the blocks that
are to stay out of *Put the lines in order*. `WHY[exercise]` is a question about a line of the solution, and its answer.
"""
