"""Sound: Whisper on spectrograms, wav2vec 2.0 on samples."""

from __future__ import annotations

from tests.huggingface.architectures.case import BATCH, Case, Sheet

V, D, H, F, LAYERS = 50, 24, 4, 40, 2
BINS, PLACES, POSITIONS, OUT = 8, 10, 16, 3
SAMPLES, WIDTH = 200, 12
CONVOLUTIONS = ((10, 5), (3, 2), (2, 2))
"""Kernel and stride of the first layers of wav2vec 2.0; the positions have kernels of 4 in 2 groups."""


def attend(s: Sheet, queries: int, keys: int, *, key_bias: bool) -> None:
    s.norm(D)
    s.dense(BATCH * queries, D, D)
    s.dense(BATCH * keys, D, D, bias=key_bias)
    s.dense(BATCH * keys, D, D)
    s.attention(BATCH, H, queries, keys, D // H)
    s.dense(BATCH * queries, D, D)


def inner(s: Sheet, positions: int) -> None:
    s.norm(D)
    s.dense(positions, D, F)
    s.dense(positions, F, D)


def whisper(s: Sheet) -> None:
    """Keys have no biases; the table of the encoder's positions is fixed, and a parameter all the same."""
    s.conv(BINS, D, (3,), (2 * PLACES,))
    s.conv(D, D, (3,), (PLACES,))
    s.learned(PLACES + POSITIONS + V, D)
    for _ in range(LAYERS):
        attend(s, PLACES, PLACES, key_bias=False)
        inner(s, BATCH * PLACES)
        attend(s, OUT, OUT, key_bias=False)
        attend(s, OUT, PLACES, key_bias=False)
        inner(s, BATCH * OUT)
    s.norm(D)
    s.norm(D)
    s.again(BATCH * OUT, D, V)


def wav2vec2(s: Sheet) -> None:
    length, before, kernel = SAMPLES, 1, 4
    for width, stride in CONVOLUTIONS:
        length = (length - width) // stride + 1
        s.conv(before, WIDTH, (width,), (length,), bias=False)
        before = WIDTH
    s.norm(WIDTH)  # one norm, behind the first convolution
    s.norm(WIDTH)
    s.dense(BATCH * length, WIDTH, D)
    s.learned(D)  # what stands for a masked place
    s.conv(D, D, (kernel,), (length + 1,), groups=2)  # an even kernel gives one place too many, which is cut
    s.learned(kernel)  # its weights are a direction and a length for each tap
    s.norm(D)
    for _ in range(LAYERS):
        attend(s, length, length, key_bias=True)
        inner(s, BATCH * length)


WHISPER = {
    "vocab_size": V, "num_mel_bins": BINS, "d_model": D, "encoder_layers": LAYERS, "decoder_layers": LAYERS,
    "encoder_attention_heads": H, "decoder_attention_heads": H, "encoder_ffn_dim": F, "decoder_ffn_dim": F,
    "max_source_positions": PLACES, "max_target_positions": POSITIONS, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2, "decoder_start_token_id": 1,
}  # fmt: skip
WAV2VEC2 = {
    "hidden_size": D, "num_hidden_layers": LAYERS, "num_attention_heads": H, "intermediate_size": F,
    "conv_dim": [WIDTH] * 3, "conv_kernel": [10, 3, 2], "conv_stride": [5, 2, 2], "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2, "vocab_size": V,
}  # fmt: skip
SOUNDS = (
    Case(
        "whisper", "WhisperForConditionalGeneration", "whisper", WHISPER,
        {"input_features": (BATCH, BINS, 2 * PLACES), "decoder_input_ids": (BATCH, OUT)}, whisper,
    ),
    Case("wav2vec2", "Wav2Vec2Model", "wav2vec2", WAV2VEC2, {"input_values": (BATCH, SAMPLES)}, wav2vec2),
)  # fmt: skip
