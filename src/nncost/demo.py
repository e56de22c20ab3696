"""``make demo``: what the textbook network and a real ResNet-50 file cost."""

from __future__ import annotations

from nncost.cli.main import main

if __name__ == "__main__":
    main()
