"""A text that can be nothing but a spec, for those who read texts of strangers."""

from __future__ import annotations


class SpecText(str):
    """A text that is read as a spec whatever it looks like: never as the path of a file, never as the name of code.

    No file or folder is looked at because of it.
    """

    __slots__ = ()
