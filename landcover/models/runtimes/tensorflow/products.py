"""Products of matrices of whole numbers, as quantized layers of Keras compute them."""

from __future__ import annotations

from typing import Any, Final

_PRODUCTS: Final = ("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")


def products_in_floats(tf: Any, definition: Any) -> Any:
    """Compute products of matrices of whole numbers in float32, for those who read a frozen graph.

    OpenVINO gives the product of two matrices of int8 the type int8, and so cuts off its sums, where
    TensorFlow says int32. Those of int8 are exact in float32 up to a thousand products.

    Args:
        tf: TensorFlow.
        definition: a ``GraphDef``; left as it is.
    """
    result = tf.compat.v1.GraphDef(versions=definition.versions, library=definition.library)
    for node in definition.node:
        read = [node.attr[key].type for key in ("Ta", "Tb") if key in node.attr]
        read = read or [node.attr["T"].type] * 2
        if node.op not in _PRODUCTS or tf.dtypes.as_dtype(read[0]).is_floating:
            result.node.add().CopyFrom(node)
            continue
        returned = node.attr["Tout"].type if "Tout" in node.attr else read[0]
        sources = [name for name in node.input if not name.startswith("^")]
        for at, (source, dtype) in enumerate(zip(sources, read, strict=True)):
            _cast(result, f"{node.name}/float{at}", source, dtype, tf.float32.as_datatype_enum)
        product = result.node.add(name=f"{node.name}/product", op="BatchMatMulV2")
        product.input.extend(f"{node.name}/float{at}" for at in range(2))
        product.attr["T"].type = tf.float32.as_datatype_enum
        for key in ("adj_x", "adj_y"):
            product.attr[key].b = node.attr[key].b
        _cast(result, node.name, product.name, tf.float32.as_datatype_enum, returned)
    return result


def _cast(definition: Any, name: str, source: str, dtype: int, wanted: int) -> None:
    node = definition.node.add(name=name, op="Cast")
    node.input.append(source)
    node.attr["SrcT"].type, node.attr["DstT"].type = dtype, wanted
