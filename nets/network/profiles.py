"""Profiles: which requantization contract each kind of operator obeys in a runtime."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from nets.errors import NetworkError
from nets.network.contracts import CONTRACTS, Contract


@dataclass(frozen=True, slots=True)
class Profile:
    """One contract for each operator kind.

    Attributes:
        default: the contract of every kind without an exception.
        exceptions: operator kind (``conv``, ``fc``, ``mean`` ...) to contract.
        runtime: the LiteRT resolver, or other runtime, that the profile reproduces, or None for a uniform profile.
        xnnpack_forms: whether ADD, SUB, MEAN and QUANTIZE take XNNPACK's own integer or float forms
            instead of those of TFLite's reference kernels.
        float_forms: whether ADD, MUL, QUANTIZE and average pools take ONNX Runtime's float forms.
    """

    name: str
    default: Contract
    exceptions: Mapping[str, Contract] = field(default_factory=lambda: MappingProxyType({}))
    runtime: str | None = None
    xnnpack_forms: bool = False
    float_forms: bool = False

    def contract(self, kind: str) -> Contract:
        """Returns the contract of an operator kind."""
        return self.exceptions.get(kind, self.default)


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            "litert_ref",
            CONTRACTS["tflite_double"],
            MappingProxyType({"fc": CONTRACTS["float64_half_away"]}),
            runtime="BUILTIN_REF",
        ),
        Profile(
            "litert_xnnpack",
            CONTRACTS["xnnpack_fp32"],
            # XNNPACK does not take stand-alone clamps over: TFLite's own kernels run them.
            MappingProxyType({"relu": CONTRACTS["tflite_double"]}),
            runtime="BUILTIN",
            xnnpack_forms=True,
        ),
    )
}


ONNX_PROFILES: dict[str, Profile] = {
    "onnxruntime": Profile(
        "onnxruntime",
        # QLinearConv and its like multiply by float32(s_x * s_w) / s_y and round half to even, as XNNPACK does.
        CONTRACTS["xnnpack_fp32"],
        runtime="ONNX Runtime",
        float_forms=True,
    )
}


def profile_named(name: str) -> Profile:
    """Returns the profile of a name, or that of a contract's name: this contract in every operator.

    Raises:
        NetworkError: neither a profile nor a contract has this name.
    """
    if (profile := PROFILES.get(name) or ONNX_PROFILES.get(name)) is not None:
        return profile
    if name in CONTRACTS:
        return Profile(name, CONTRACTS[name])
    known = ", ".join([*CONTRACTS, *PROFILES, *ONNX_PROFILES])
    raise NetworkError(f"unknown contract or profile {name!r}; choose one of {known}")
