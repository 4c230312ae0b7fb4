"""The small package behind the notebooks of the book: one concept per module.

Nothing is imported here, so that ``import helpers`` is quick; import the module
you need, for example ``from helpers import datasets``.
"""

__version__ = "0.1.0"
