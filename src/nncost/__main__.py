"""``python -m nncost``."""

from nncost.cli.main import main

main()
