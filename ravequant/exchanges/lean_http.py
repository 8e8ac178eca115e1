"""The library ``requests``, loaded without its guess at encodings: nobody here asks for it.

That guess is a hundred modules and 3 MB in every program that runs day and night; the answers of an
exchange are bytes of JSON.
"""

import sys
import warnings
from typing import Final

_GUESSES: Final = ("chardet", "charset_normalizer")
_absent: Final = [name for name in _GUESSES if name not in sys.modules]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns that it cannot guess
    for _name in _absent:
        # so that its import fails
        sys.modules[_name] = None  # type: ignore[assignment]
    import requests

    for _name in _absent:
        del sys.modules[_name]  # another library may want it later

__all__ = ["requests"]
