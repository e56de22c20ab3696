"""Equal blocks: layers that are equal are analysed once, forward and backward.

A deep network repeats a block many times. The first of a kind runs on its own, on detached inputs,
and what it recorded becomes a template; the second runs in full, and must do the same. For the first and from the
third on, one autograd function takes the block's place: forward it returns tensors of the right shapes, backward
gradients of the right shapes, and both add the template's calls to the records. So with equal calls of one layer, as
in a Python loop: its parameters are inputs of each call.

Two blocks are equal if their classes, plain attributes, parameters and buffers (shape, strides,
type, whether trained), training flags and arguments agree. A number such as ``layer_idx`` differs
in every block: an integer that notes being used takes its place. The template's run shows what else a
block reads (:mod:`.environment`), which must be as it was. Whatever cannot be shown to be equal runs
in full: shared weights, unknown objects among the arguments (a key-value cache), hooks, checkpoints, inputs or
attributes that are changed, values that are asked for, gradients that the model itself asks for.
"""
