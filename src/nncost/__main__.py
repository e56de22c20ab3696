"""``nncost`` and ``python -m nncost``."""

from __future__ import annotations

import sys

EXIT_INTERRUPTED = 130


def entry() -> None:
    """Run the command line; an interrupt while it is imported is told as any other."""
    try:
        from nncost.cli.main import main

        main()
    except KeyboardInterrupt:
        sys.stderr.write("nncost: interrupted.\n")
        sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    entry()
