"""``python -m nncost``."""

from nncost.cli.main import main

if __name__ == "__main__":
    main()
