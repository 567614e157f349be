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
        wide: the same of operators with int16 inputs; other kinds then obey ``wide_default``.
        wide_default: contract of operators with int16 inputs; None if the width does not matter.
        runtime: the LiteRT resolver, or other runtime, that the profile reproduces, or None for a uniform profile.
        xnnpack_forms: whether ADD, SUB, MEAN and QUANTIZE take XNNPACK's own integer or float forms
            instead of those of TFLite's reference kernels.
        float_forms: whether ADD, MUL, QUANTIZE and average pools take ONNX Runtime's float forms.
    """

    name: str
    default: Contract
    exceptions: Mapping[str, Contract] = field(default_factory=lambda: MappingProxyType({}))
    wide: Mapping[str, Contract] = field(default_factory=lambda: MappingProxyType({}))
    wide_default: Contract | None = None
    runtime: str | None = None
    xnnpack_forms: bool = False
    float_forms: bool = False

    def contract(self, kind: str, *, wide: bool = False) -> Contract:
        """Returns the contract of an operator kind, with int16 inputs if it is ``wide``."""
        if wide and self.wide_default is not None:
            return self.wide.get(kind, self.wide_default)
        return self.exceptions.get(kind, self.default)


# XNNPACK has no operators of int16, so both resolvers run TFLite's own kernels: the reference ones for int64 biases.
# Without them, BUILTIN runs ruy's. Its ADD rounds the operands once.
_WIDE = {
    "conv": CONTRACTS["tflite_int64"],
    "depthwise": CONTRACTS["tflite_int64"],
    "transpose_conv": CONTRACTS["tflite_int64"],
    "batch_matmul": CONTRACTS["tflite_int64"],
    "fc": CONTRACTS["float64_half_away"],
    "fc_int32": CONTRACTS["float64_half_away"],
}
_WIDE_OPTIMISED = {
    "add_operands": CONTRACTS["half_up"],
    "conv_int32": CONTRACTS["ruy_double"],
    "fc_int32": CONTRACTS["ruy_double"],
}

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            "litert_ref",
            CONTRACTS["tflite_double"],
            MappingProxyType({"fc": CONTRACTS["float64_half_away"]}),
            wide=MappingProxyType(_WIDE),
            wide_default=CONTRACTS["tflite_double"],
            runtime="BUILTIN_REF",
        ),
        Profile(
            "litert_xnnpack",
            CONTRACTS["xnnpack_fp32"],
            # XNNPACK does not take stand-alone clamps over: TFLite's own kernels run them.
            MappingProxyType({"relu": CONTRACTS["tflite_double"]}),
            wide=MappingProxyType({**_WIDE, **_WIDE_OPTIMISED}),
            wide_default=CONTRACTS["tflite_double"],
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
