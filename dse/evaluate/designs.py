"""Makes the networks of a design, narrowed and with its fine-tuned integers, and their workloads."""

from collections.abc import Callable
from dataclasses import replace

from dse.design import DesignPoint, Job
from dse.evaluate.lowering import lower
from dse.study import PreparedMember, PreparedStudy
from hwmodels.workload import RescalerWorkload
from nets.datasets import integers
from nets.narrow import Calibration, narrow, with_weight_bits
from nets.network import Arrays, QuantizedNetwork, with_trained_arrays


class Calibrations:
    """Calibrations of a study's int32 networks: each is made when it is first needed, and kept.

    The network that was made last of every member is kept too: a promoted design is evaluated twice.

    Args:
        calibrate: makes the calibration of a member's baseline with its calibration samples.
    """

    def __init__(self, calibrate: Callable[[PreparedMember], Calibration] | None = None) -> None:
        self._calibrate = calibrate or _calibration
        self._made: dict[str, Calibration] = {}
        self._last: dict[str, tuple[DesignPoint, QuantizedNetwork]] = {}

    def narrow(self, member: PreparedMember, point: DesignPoint, network: QuantizedNetwork) -> QuantizedNetwork:
        """Returns a member's network, narrowed and calibrated for its own part of a design.

        Raises:
            ValueError: the study uses another number of samples.
        """
        last, made = self._last.get(member.name, (None, network))
        if last != point:
            made = self._of(member, point.calibration).narrow(network, dict(point.choices))
            self._last[member.name] = point, made
        return made

    def _of(self, member: PreparedMember, samples: int) -> Calibration:
        if len(member.splits.calibration) != samples:
            raise ValueError(f"the design takes {samples} calibration samples, not {len(member.splits.calibration)}")
        if member.name not in self._made:
            self._made[member.name] = self._calibrate(member)
        return self._made[member.name]


def _calibration(member: PreparedMember) -> Calibration:
    samples = integers(member.splits.calibration)
    return Calibration(member.network, samples, originals=member.originals)


def narrowed(member: PreparedMember, point: DesignPoint, calibrations: Calibrations | None = None) -> QuantizedNetwork:
    """Returns the network of a member for its own part of a design, calibrated if the design is, before fine-tuning.

    Args:
        member: the member.
        point: its own part of a design.
        calibrations: keeps the calibration of the int32 network for further designs; None to make it anew.
    """
    network = member.variants.get(point.surroundings.contract or "", member.network)
    if point.weight_bits:
        network = with_weight_bits(network, dict(point.weight_bits), member.originals)
    if point.calibration:
        return (calibrations or Calibrations()).narrow(member, point, network)
    return narrow(network, dict(point.choices), member.originals)


def shipped(
    member: PreparedMember, point: DesignPoint, weights: Arrays | None, calibrations: Calibrations | None = None
) -> QuantizedNetwork:
    """Returns a member's network of a design as it ships: narrowed, with its fine-tuned integers if it has some."""
    network = narrowed(member, point, calibrations)
    return network if weights is None else with_trained_arrays(network, weights)


def shipped_networks(
    study: PreparedStudy, point: DesignPoint, weights: Arrays | None, calibrations: Calibrations | None = None
) -> dict[str, QuantizedNetwork]:
    """Returns every member's network of a design as it ships, by the member's name."""
    return {
        member.name: shipped(
            member, member.own_point(point), None if weights is None else member.own(weights), calibrations
        )
        for member in study.members
    }


def member_job(job: Job, member: PreparedMember) -> Job:
    """Returns the part of a job that concerns one member."""
    return replace(
        job,
        point=member.own_point(job.point),
        weights=None if job.weights is None else member.own(job.weights),
        heir_of=None if job.heir_of is None else member.own_point(job.heir_of),
    )


def workloads_of(study: PreparedStudy, networks: dict[str, QuantizedNetwork]) -> tuple[RescalerWorkload, ...]:
    """Returns the workloads of all rescalers in the members' networks, times each member's inferences in the mix."""
    return tuple(
        replace(
            workload,
            name=member.named(workload.name),
            rescales_per_inference=workload.rescales_per_inference * member.spec.inferences,
            macs_per_inference=workload.macs_per_inference * member.spec.inferences,
            inferences=member.spec.inferences,
        )
        for member in study.members
        for workload in lower(networks[member.name])
    )
