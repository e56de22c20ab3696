"""The real step: its seconds, its memory and its operators, beside what was predicted."""
