"""What a module's step takes from the allocator: storages followed through the step as PyTorch runs it."""
