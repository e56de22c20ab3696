"""Real architectures, small: counted in two ways, run in two ways, and counted by running.

- ``test_counts.py``: contractions of PyTorch's own backward pass against the one nncost derives, layer by layer; alike
  blocks analysed once against all of them analysed; PyTorch's FlopCounterMode on real tensors.
- ``test_numbers.py``: the connected graph run on the module's own weights gives the module's outputs and gradients,
  and run on numbers that count themselves it gives the ledger.
- ``test_full_size.py``: training steps of ResNet-50, MobileNetV3, GPT-2 and Llama 2 7B.
"""
