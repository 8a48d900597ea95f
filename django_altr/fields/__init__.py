"""``TokenizedField`` and the reading of many of them at once.

``tokenized`` is the field. An instance holds a cell for it (``cells``), which ``reads`` and ``writes`` move between
reference token and plaintext, a whole result set or operation at a time; ``rows`` knows which rows belong together,
``codecs`` the text of a value, ``lookups`` what a query may ask, and ``checks`` what a declaration may say.
"""

from __future__ import annotations

from ..backends.base import no_detokenization
from .codecs import InvalidValue
from .reads import PrefetchTokenized, detokenize
from .tokenized import TokenizedField

__all__ = ["InvalidValue", "PrefetchTokenized", "TokenizedField", "detokenize", "no_detokenization"]
