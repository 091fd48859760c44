"""Holding a request's body against the models of the platform's SDK."""

from __future__ import annotations

from typing import Any

import huaweicloudsdkmodelarts.v1 as sdk


def assert_model(kind: str, value: Any, where: str) -> None:
    """Every key is one of the model's, every value of the type it says; only prefetch_to_local is undocumented."""
    if kind.startswith("list["):
        assert isinstance(value, list), where
        for item in value:
            assert_model(kind[5:-1], item, f"{where}[]")
    elif kind.startswith("dict("):
        assert all(isinstance(k, str) and isinstance(v, str) for k, v in value.items()), where
    elif hasattr(sdk, kind):
        model = getattr(sdk, kind)
        types = {model.attribute_map[name]: of for name, of in model.openapi_types.items()}
        for key, item in value.items():
            if (kind, key) != ("Output", "prefetch_to_local"):
                assert key in types, f"{where}.{key} is no key of {kind}"
                assert_model(types[key], item, f"{where}.{key}")
        model(**{k: v for k, v in value.items() if k in types})
    else:
        assert type(value).__name__ == kind, f"{where} is {value!r}, not {kind}"
