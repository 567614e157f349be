"""Comparison of the integer executor with the runtime of a model file, whatever its format."""

from pathlib import Path

from nets.errors import NetworkError
from nets.importers import Cut, model_format
from nets.network import ActivationArray
from nets.oracle import verify
from nets.oracle.onnx_verify import verify_onnx
from nets.oracle.tosa_reference import verify_tosa
from nets.oracle.verify import VerifyReport


def verify_model(path: str | Path, profile: str, *samples: ActivationArray, cut: Cut = ()) -> VerifyReport:
    """Compares every tensor before a final softmax with that of the file's runtime, for equality.

    Args:
        path: a model file.
        profile: one of its format's: ``litert_ref`` and ``litert_xnnpack`` of .tflite, ``onnxruntime`` of .onnx,
            ``tosa`` of .tosa.
        samples: one int8 array ``[samples, *shape]`` per network input.
        cut: tensors of the file at which the network ends.

    Raises:
        NetworkError: the model, the samples or the profile cannot be used, or the runtime is missing.
    """
    path = Path(path)
    form = model_format(path)
    if profile not in form.profiles:
        known = ", ".join(form.profiles)
        raise NetworkError(f"{path.name}: {profile!r} is no profile of a runtime of {form.name} files; choose {known}")
    if form.suffix == ".tosa":
        return verify_tosa(path, *samples, cut=cut)
    if form.suffix == ".onnx":
        return verify_onnx(path, profile, *samples, cut=cut)
    return verify.verify_model(path, profile, *samples, cut=cut)
