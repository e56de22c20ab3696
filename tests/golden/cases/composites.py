"""Every layer and activation of the spec language in training, at sizes that make all its parts visible."""

from __future__ import annotations

from tests.golden.cases.case import Case, spec

LAYERS = (
    "2x3, dense 4",
    "4, dense 3 bias=no, tanh",
    "2x3x2, flatten, dense 3",
    "2x5, conv 3 3",
    "2x5x4, conv 3 3x2 stride=2x1 pad=1",
    "2x6x5, conv 4 3 pad=same, relu",
    "2x6x5, conv 4 3 pad=same stride=2",
    "4x5x5, conv 6 3 groups=2 dilation=2, sigmoid",
    "4x4x4, conv 4 3x3 groups=4 pad=1 bias=no",
    "1x3x3x3, conv 2 2",
    "2x3x3, conv 2 2, conv_transpose 3 2 stride=2",
    "4x3x3, conv 4 1, conv_transpose 2 3 stride=2 pad=1 output_pad=1 groups=2",
    "2x4, conv_transpose 3 3 dilation=2 bias=no",
    "2x6x6, conv 2 1, maxpool 2",
    "2x9x9, conv 2 1, maxpool 3 stride=2 pad=1 dilation=2, flatten, dense 2",
    "2x6x6, conv 2 1, avgpool 3 stride=2 pad=1",
    "2x7, conv 2 1, avgpool 2",
    "2x4x4, conv 3 1, global_avgpool, dense 2",
    "2x4x4, conv 3 1, global_maxpool, dense 2",
    "2x4x4, conv 2 1, adaptive_avgpool 2",
    "2x5x4, conv 2 1, adaptive_avgpool 3x2",
    "2x5x4, conv 2 1, adaptive_maxpool 3x2",
    "2x3x3, conv 3 1, batchnorm, relu",
    "3, dense 4, batchnorm",
    "3x4, dense 4, layernorm",
    "3x4, dense 4, rmsnorm",
    "4x3, conv 4 1, groupnorm 2",
    "4x3, conv 4 1, instancenorm",
    "4x3, conv 4 1, instancenorm affine",
    "4x3x3, conv 4 1, lrn 3",
    "5, dense 4, dropout 0.4, dense 2",
    "5, dense 4, softmax",
    "5, dense 4, log_softmax",
    "3, embedding 5 4, dense 2",
    "3x4, attention heads=2",
    "3x4, attention heads=2 causal",
    "3x8, attention heads=4 kv_heads=2 causal bias=no",
    "3x4, rnn 3",
    "3x4, rnn 3 last biases=1",
    "2x4, gru 3 biases=1",
    "3x4, gru 2 bidirectional layers=2",
    "3x4, lstm 3",
    "4x2, lstm 3 last biases=1",
    "3x4, lstm 2 bidirectional last layers=2, dense 2",
    "4, residual[dense 4, relu], dense 2",
    "4, [dense 4, relu]*3, dense 2",
    "5, [dense 4, relu]*3, dense 2",
    "3x6x6, [conv 3 2]*3",
    "4, [dense 4, [dense 3, tanh]*3, dense 4]*2, rmsnorm, softmax",
    "3x4, [residual[lstm 4]]*3",
    "2x3x3, [residual[conv 2 3 pad=1, batchnorm, relu, dropout 0.5]]*3, global_avgpool",
    "2, embedding 5 4, [residual[layernorm, attention heads=2 causal], residual[layernorm, dense 6, gelu, dense 4]]*3, dense 5 bias=no",
    "3-3*1-2",
)
ACTIVATIONS = (
    "relu", "leaky_relu", "elu", "selu", "gelu", "gelu_tanh", "silu", "mish", "softplus", "softsign", "sigmoid",
    "tanh", "relu6", "hardtanh", "hardsigmoid", "hardswish",
)  # fmt: skip
WITHOUT_TRAINING = (
    "3x8, attention heads=4 kv_heads=2 causal bias=no, batchnorm, dropout 0.5",
    "3x4, lstm 2 bidirectional last layers=2, dense 2",
    "2x5x4, conv 3 3x2 stride=2x1 pad=1, batchnorm, maxpool 2",
)

CASES: tuple[Case, ...] = (
    *(spec(text, batch=2, loss="squared_error", optimizer="sgd") for text in LAYERS),
    *(
        spec(f"3, dense 4, {name}, dense 2, {name}", batch=2, loss="squared_error", optimizer="sgd")
        for name in ACTIVATIONS
    ),
    *(spec(text, loss="none", optimizer="none") for text in WITHOUT_TRAINING),
    *(spec(text, mode="inference") for text in WITHOUT_TRAINING),
)
