"""PyTorch modules: traced as they run, lowered to core operations."""
