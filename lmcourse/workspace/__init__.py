"""The learner's own copy of the notebooks, and how a newer course comes into it: `python -m lmcourse.workspace`."""
