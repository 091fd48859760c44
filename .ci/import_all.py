"""Imports every module of the project, except those that need a missing package that most jobs do without."""

from __future__ import annotations

import importlib
import pkgutil
import sys

PACKAGES = ("src", "modelarts", "obs_sync")
NOT_NEEDED = {"mindspore", "moxing", "huaweicloudsdkcore", "huaweicloudsdkmodelarts", "onnx", "onnxruntime"}


def main() -> int:
    sys.path.insert(0, ".")
    wrong = skipped = 0
    for package in PACKAGES:
        for module in pkgutil.walk_packages([package], f"{package}."):
            if module.name.endswith("__main__"):
                continue
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as error:
                if (error.name or "").split(".")[0] not in NOT_NEEDED:
                    print(f"{module.name}: {error}")
                    wrong += 1
                else:
                    skipped += 1
            except Exception as error:  # noqa: BLE001 - every module is to be tried
                print(f"{module.name}: {type(error).__name__}: {error}")
                wrong += 1
    print(f"Python {sys.version.split()[0]}: {wrong} modules cannot be imported, {skipped} need what is not installed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
