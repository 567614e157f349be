"""Makes the networks of a design, narrowed and with its fine-tuned integers, and their workloads."""

from dataclasses import replace

from dse.design import DesignPoint, Job
from dse.evaluate.lowering import lower
from dse.study import PreparedMember, PreparedStudy
from hwmodels.workload import RescalerWorkload
from nets.narrow import narrow, with_weight_bits
from nets.network import Arrays, QuantizedNetwork, with_trained_arrays


def narrowed(member: PreparedMember, point: DesignPoint) -> QuantizedNetwork:
    """Returns the network of a member for its own part of a design, before any fine-tuning."""
    network = member.variants.get(point.surroundings.contract or "", member.network)
    if point.weight_bits:
        network = with_weight_bits(network, dict(point.weight_bits), member.originals)
    return narrow(network, dict(point.choices), member.originals)


def shipped(member: PreparedMember, point: DesignPoint, weights: Arrays | None) -> QuantizedNetwork:
    """Returns a member's network of a design as it ships: narrowed, with its fine-tuned integers if it has some."""
    network = narrowed(member, point)
    return network if weights is None else with_trained_arrays(network, weights)


def shipped_networks(study: PreparedStudy, point: DesignPoint, weights: Arrays | None) -> dict[str, QuantizedNetwork]:
    """Returns every member's network of a design as it ships, by the member's name."""
    return {
        member.name: shipped(member, member.own_point(point), None if weights is None else member.own(weights))
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
        )
        for member in study.members
        for workload in lower(networks[member.name])
    )
