"""Networks of OpenVINO whose large matrices are multiplied in 8-bit whole numbers.

A weight becomes an int8 and a scale for each ``GROUP`` of a row; what it is multiplied with is
brought to int8 as it comes, likewise in groups, each by its own largest number (OpenVINO's dynamic
quantization). So no pictures are needed to prepare it, and a number far larger than the rest costs
precision in its own group alone (Dettmers et al. 2022, "LLM.int8()", section 3, on such numbers).
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

GROUP = 64
"""Numbers with one scale. With 128, a ViT-B/32 with random weights took a tenth less time, and its
vectors turned a third further."""

OPTIONS = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": str(GROUP)}
"""For compiling what :func:`in_eight_bits` returns."""

_LARGEST = 127


def in_eight_bits(model: Any) -> Any:
    """Return a copy of an OpenVINO model with 8-bit weights, its other constants as they were.

    What is a product with a constant matrix in rows of a multiple of ``GROUP`` changes; if nothing
    is, the copy is equal to the model.
    """
    operations = importlib.import_module("openvino.opset13")
    copy = model.clone()
    for product in copy.get_ordered_ops():
        weights = _weights(product)
        if weights is None or weights.shape[1] % GROUP:
            continue
        groups = weights.astype(np.float32).reshape(len(weights), -1, GROUP)
        scales = np.abs(groups).max(axis=2, keepdims=True) / _LARGEST
        scales[scales == 0] = 1
        whole = np.round(groups / scales).astype(np.int8)
        restored = operations.multiply(
            operations.convert(operations.constant(whole), "f32"), operations.constant(scales)
        )
        rows = operations.reshape(
            restored, operations.constant(np.array(weights.shape, np.int64)), special_zero=False
        )
        product.input(1).replace_source_output(rows.output(0))
    return copy


def _weights(operation: Any) -> Any:
    """The matrix that a product is with, a row for each output; None for any other operation."""
    if operation.get_type_name() != "MatMul" or not operation.get_attributes()["transpose_b"]:
        return None
    source = operation.input_value(1).get_node()
    while source.get_type_name() == "Convert":
        source = source.input_value(0).get_node()
    is_matrix = source.get_type_name() == "Constant" and len(source.get_output_shape(0)) == 2
    return source.get_data() if is_matrix else None
