"""One document model and its renderers."""
