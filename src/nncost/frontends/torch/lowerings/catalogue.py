"""Every lowering: importing this imports each file beside it, which registers its own."""

from importlib import import_module
from pkgutil import iter_modules

from nncost.frontends.torch import lowerings

for _file in iter_modules(lowerings.__path__, f"{lowerings.__name__}."):
    import_module(_file.name)
