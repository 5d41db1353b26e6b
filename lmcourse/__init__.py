"""Language Modeling from Scratch: the helper package of the notebooks.

One module a notebook, and the same word in every place: `notebooks/03_strides.ipynb` is about
`lmcourse.strides`. Nothing is imported here, so `import lmcourse` costs milliseconds; torch is
loaded only by the modules that need it.
"""

__version__ = "0.1.0"
