"""Published image models and configurations, counted by running them.

- ``timm.csv``: parameters, buffers and multiplications of timm 1.0.31's models on the meta device, measured with
  PyTorch 2.13's FlopCounterMode (its flops / 2), and timm's own published GMACs where they describe the same network:
  ``source`` is a file of huggingface/pytorch-image-models@aa4b5850c154. ``family`` is the module that defines a model.
- ``torchvision.csv``: ``num_params`` and ``_ops`` of torchvision 0.28.0's weights; ``source`` is a module below
  ``torchvision.models``. ``macs`` were measured as above where the column is filled.
- ``configurations.py``: multiplications of the configurations in ``tests/huggingface/configs``, from the shapes of
  their matrices.

``python -m benchmarks.truth`` runs all rows; the tests run a sample.
"""
