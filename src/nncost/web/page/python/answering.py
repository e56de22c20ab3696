"""What runs in the browser's Python: a name and a request as JSON in, an answer as JSON out."""

import importlib.abc
import importlib.util
import io
import json
import site
import sys
import zipfile

import js

LATER = {"sympy": "symbols.zip", "mpmath": "symbols.zip"}


class Fetching(importlib.abc.MetaPathFinder):
    """Fetches packages when they are imported for the first time."""

    def find_spec(self, name, path=None, target=None):
        """Unpack the archive that has the package, and find it as usual."""
        archive = LATER.get(name)
        if archive is None:
            return None
        for each in [known for known, place in LATER.items() if place == archive]:
            del LATER[each]
        folder = site.getsitepackages()[0]
        zipfile.ZipFile(io.BytesIO(js.nncostFetch(archive).to_bytes())).extractall(folder)
        importlib.invalidate_caches()
        return importlib.util.find_spec(name)


def answered(name, request):
    """Return the answer, or what is wrong, as JSON."""
    from nncost.errors import NncostError
    from nncost.web.answers import answer, told

    try:
        found = answer(name, json.loads(request))
    except NncostError as error:
        found = told(error)
    except (MemoryError, RecursionError):
        found = {"error": {"code": "limit", "message": "This network is too large for Python in a browser."}}
    except Exception as error:  # what is at fault here must not end the worker
        found = {"error": {"code": "error", "message": f"Python failed: {type(error).__name__}: {error}"[:400]}}
    return json.dumps(found)


sys.meta_path.append(Fetching())
answered
