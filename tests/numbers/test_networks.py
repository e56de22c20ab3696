"""The counted graph, run on floats, gives PyTorch's outputs, losses, gradients and updated parameters."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from nncost import count
from nncost.ir import ops
from nncost.ir.graph import Region, walk
from tests.numbers.networks import ACTIVATIONS, NETWORKS, NORMS, Attention, Factory
from tests.numbers.twins import Twins, close, learned_elements

RATE = 0.001


@pytest.mark.parametrize(("spec", "factory"), NETWORKS, ids=[spec for spec, _ in NETWORKS])
@pytest.mark.parametrize("batch", [1, 3])
def test_gradients_equal_pytorch(spec: str, factory: Factory, batch: int) -> None:
    if batch == 1 and "dense 4, batchnorm" in spec:
        pytest.skip("PyTorch refuses a batch of one value for each channel")
    twins = Twins(spec, factory, batch=batch, loss="squared_error")
    compare_training_step(twins)


def compare_training_step(twins: Twins) -> None:
    twins.execute()
    output = twins.module(twins.input())
    close(twins.output(), output, "output")
    loss = functional.mse_loss(output, twins.target())
    close(twins.values[twins.step.loss], loss, "loss")
    loss.backward()
    compared = 0
    for leaf, theirs in twins.pairs():
        if leaf.parameter.role == "buffer":
            continue
        name = f"{leaf.parameter.path}.{leaf.parameter.tensor.name}{list(leaf.index)}"
        close(twins.gradient(leaf), theirs.grad, f"gradient of {name}")
        close(twins.updated(leaf), theirs - RATE * theirs.grad, f"update of {name}")
        compared += 1
    assert compared == sum(1 for p in twins.module.parameters() if p.requires_grad)


@pytest.mark.parametrize(("spec", "factory"), NETWORKS, ids=[spec for spec, _ in NETWORKS])
def test_inference(spec: str, factory: Factory) -> None:
    twins = Twins(spec, factory, loss="none")
    twins.execute()
    close(twins.output(), twins.module(twins.input()))


@pytest.mark.parametrize(("spec", "factory"), NORMS, ids=[spec for spec, _ in NORMS])
def test_gradients_through_inference_mode(spec: str, factory: Factory) -> None:
    """Batch norm with its running averages in the forward pass is an affine map for each channel."""
    compare_training_step(Twins(spec, factory, loss="squared_error", mode="inference"))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name: str) -> None:
    factory = ACTIVATIONS[name]
    twins = Twins(
        f"4, dense 60, {name}, dense 3, {name}",
        lambda: nn.Sequential(nn.Linear(4, 60), factory(), nn.Linear(60, 3), factory()),
        loss="squared_error",
    )
    for parameter in twins.counted.model.graph.parameters:  # Reach both sides of every bend: ±6, ±3, ±1, 0.
        twins.feeds[parameter.tensor] *= 5
    with torch.no_grad():
        for _, theirs in twins.pairs():
            theirs.mul_(5)
    compare_training_step(twins)


def test_every_activation_has_a_twin() -> None:
    from nncost.ir.library import activations

    assert set(ACTIVATIONS) == set(activations.ACTIVATIONS)


def test_every_layer_of_the_spec_language_is_compared() -> None:
    from nncost.frontends.spec.kinds import layer_table

    written = " ".join(spec.replace("[", " ").replace(",", " ") for spec, _ in NETWORKS).split()
    assert set(layer_table()) - set(written) <= set(ACTIVATIONS)


@pytest.mark.parametrize("spec", ["2x3x3, conv 3 1, batchnorm, conv 2 1", "3, dense 4, batchnorm"])
def test_running_averages(spec: str) -> None:
    factory: Factory = dict(NORMS).get(spec) or (  # type: ignore[assignment]
        (lambda: nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1)))
        if "conv" in spec
        else (lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)))
    )
    twins = Twins(spec, factory, loss="squared_error")
    twins.execute()
    twins.module(twins.input())
    found = 0
    for leaf, theirs in twins.pairs():
        if leaf.parameter.role == "buffer":
            close(twins.values[_running_average(twins, leaf.parameter.tensor)], theirs, leaf.parameter.tensor.name)
            found += 1
    assert found == 2


def _running_average(twins: Twins, buffer: object) -> object:
    """The value that a buffer blends into: buffer → mul → add."""
    blended: set[object] = {buffer}
    for node in walk(twins.graph.items):
        if blended & set(node.inputs):
            blended.update(node.outputs)
            if node.op == ops.Map("add"):
                return node.outputs[0]
    raise AssertionError("the buffer is never updated")


def test_multi_head_attention_module() -> None:
    """The same weights in nn.MultiheadAttention give the same output: our projections are its stacked one."""
    twins = Twins("5x6, attention heads=3", lambda: Attention(6, 3), loss="none")
    twins.execute()
    ours, theirs = twins.module, nn.MultiheadAttention(6, 3, batch_first=True).double()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key.bias, ours.value.bias]))
        theirs.out_proj.weight.copy_(ours.output.weight)
        theirs.out_proj.bias.copy_(ours.output.bias)
    x = twins.input()
    close(twins.output(), theirs(x, x, x, need_weights=False)[0])


def test_attention_with_a_mask_tensor_and_more_keys_than_queries() -> None:
    from nncost.ir.builder import Builder
    from nncost.ir.execute import execute
    from nncost.ir.library import sequence

    rng = np.random.default_rng(0)
    shapes = {"q": (2, 4, 3, 5), "k": (2, 2, 6, 5), "v": (2, 2, 6, 7), "m": (3, 6)}
    arrays = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    b = Builder()
    q, k, v, m = (b.input(shape, name=name) for name, shape in shapes.items())
    masked, causal = sequence.attention(b, q, k, v, mask=m), sequence.attention(b, q, k, v, causal=True)
    values = execute(b.graph(masked, causal), dict(zip((q, k, v, m), arrays.values(), strict=True)))
    tq, tk, tv, tm = (torch.from_numpy(array) for array in arrays.values())
    close(values[masked], functional.scaled_dot_product_attention(tq, tk, tv, attn_mask=tm, enable_gqa=True))
    # The last query sees every key, so the lower triangle starts in the corner at the end.
    seen = torch.ones(3, 6, dtype=torch.bool).tril(3)
    close(values[causal], functional.scaled_dot_product_attention(tq, tk, tv, attn_mask=seen, enable_gqa=True))


@pytest.mark.parametrize(("spec", "factory"), NETWORKS, ids=[spec for spec, _ in NETWORKS])
def test_parameters_by_layer(spec: str, factory: Factory) -> None:
    """Each child of the PyTorch module has as many parameters as the rows of its layer say."""
    module, report = factory(), count(spec)
    ours: Counter[str] = Counter()
    for row in report.rows:
        ours[".".join(row.path.split(".")[:2])] += int(row.parameters)
    chained = type(module) is nn.Sequential
    theirs = [n for n in map(learned_elements, module if chained else [module]) if n]
    if len(+ours) == 1:  # The whole network is one repeated block.
        theirs = [sum(theirs)]
    assert sorted((+ours).values()) == sorted(theirs)
    assert report.parameters.total == learned_elements(module)
    assert report.parameters.buffers == sum(b.numel() for name, b in module.named_buffers() if "running" in name)


def test_regions_name_their_parameters() -> None:
    """Each update region belongs to a parameter, so that nothing is updated twice or forgotten."""
    twins = Twins("3-4-2", dict(NETWORKS)["3-4-2"])
    updates = [item for item in twins.graph.items if isinstance(item, Region) and item.phase == "update"]
    assert [region.inputs[0] for region in updates] == [p.tensor for p in twins.counted.model.graph.parameters]
