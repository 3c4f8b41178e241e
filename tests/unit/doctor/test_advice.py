"""What hosts mean for releases: a table of both, and what holds for all of them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.doctor.advice import advise, barred, death, kernels
from builder.doctor.model import CgroupProbe, ClockProbe, DescriptorsProbe, Probe, ReleaseAdvice, RpmProbe, State, worst
from builder.doctor.needs import Needs, Stored
from builder.store.shapes import SHAPES, Shape
from tests.unit.doctor.hosts import (
    ELSEWHERE,
    ENGINE,
    FOREIGN,
    GIB,
    MODES,
    NO_APPTAINER,
    NO_ENGINE,
    NO_KVM,
    NO_QEMU,
    NONE,
    UNKNOWN,
    XONLY,
    a_host,
    a_release,
    enterprise_linux,
    space,
)

V2 = CgroupProbe(state=State.OK, found="version 2", version="v2")
NO_FUSE = Probe(state=State.MISSING, found="there is no /dev/fuse", cure="modprobe fuse")


def routes(advice: ReleaseAdvice) -> dict[Shape, Shape | None]:
    return {one.shape: one.route.shape if one.route else None for one in advice.shapes}


def states(advice: ReleaseAdvice) -> dict[str, State]:
    return {one.shape: one.state for one in advice.shapes} | {one.step: one.state for one in advice.steps}


def about(advice: ReleaseAdvice, name: str) -> list[str]:
    """What a shape's or step's findings are about, those that are not well."""
    (found,) = [
        one.findings
        for one in (*advice.shapes, *advice.steps)
        if name in {getattr(one, "shape", ""), getattr(one, "step", "")}
    ]
    return [finding.about for finding in found if finding.state is not State.OK]


# -- vsyscall -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [5, 6, 7, 8, 9])
@pytest.mark.parametrize("mode", MODES)
def test_programs_of_el5_and_el6_go_to_the_machine_where_the_page_is_not_certainly_there(
    number: int, mode: str
) -> None:
    advice = advise(a_host(vsyscall=MODES[mode]), a_release(enterprise_linux(number)))
    to_machine = number < 7 and mode in {"none", "unknown"}
    container: Shape | None = "vm" if to_machine else None
    assert routes(advice) == {"oci": container or "oci", "sif": container or "sif", "vm": "vm"}
    assert states(advice)["oci"] is (State.WARNING if to_machine else State.OK)
    assert advice.has_routes


@pytest.mark.parametrize(("mode", "state"), [("none", State.MISSING), ("unknown", State.UNKNOWN)])
def test_without_a_machine_there_is_no_route(mode: str, state: State) -> None:
    host = a_host(vsyscall=MODES[mode])
    for advice in (
        advise(host, a_release(enterprise_linux(6), shapes=("oci", "sif"))),
        advise(a_host(vsyscall=MODES[mode], qemu=NO_QEMU), a_release(enterprise_linux(6))),
    ):
        assert (routes(advice)["oci"], states(advice)["oci"]) == (None, state)
        assert not advice.has_routes
    finding = advise(host, a_release(enterprise_linux(6), shapes=("oci",))).shapes[0].findings[0]
    assert (finding.about, finding.cure) == ("vsyscall", "vsyscall=emulate")


def test_the_route_says_why_it_is_not_the_container() -> None:
    oci, *_ = advise(a_host(vsyscall=NONE), a_release(enterprise_linux(6))).shapes
    assert oci.route is not None
    assert oci.route.how == "/usr/bin/qemu, KVM, because vsyscall is off"


@pytest.mark.parametrize("mode", ["none", "unknown"])
def test_of_a_system_of_which_nothing_is_known_it_is_unknown_and_no_success(mode: str) -> None:
    advice = advise(a_host(vsyscall=MODES[mode]), a_release(FOREIGN))
    assert routes(advice) == {"oci": "oci", "sif": "sif", "vm": "vm"}, "what run does"
    assert states(advice)["oci"] is State.UNKNOWN
    assert not advice.has_routes
    assert advise(a_host(), a_release(FOREIGN)).has_routes, "where the page is there, all is well"


def test_a_build_of_el6_needs_the_page_too() -> None:
    nothing = a_release(enterprise_linux(6), stored=Stored())
    assert states(advise(a_host(vsyscall=NONE), nothing))["build"] is State.MISSING
    assert states(advise(a_host(), nothing))["build"] is State.OK
    assert about(advise(a_host(vsyscall=NONE), a_release(enterprise_linux(6))), "build") == [], "all is built"


def test_what_was_tried_here_says_nothing_of_an_engine_elsewhere() -> None:
    host = a_host(engine=ELSEWHERE)
    advice = advise(host, a_release(enterprise_linux(6)))
    assert routes(advice) == {"oci": "vm", "sif": "sif", "vm": "vm"}
    assert (
        routes(advise(a_host(engine=ELSEWHERE, engine_vsyscall=XONLY), a_release(enterprise_linux(6))))["oci"] == "oci"
    )
    assert advise(host, a_release(enterprise_linux(7))).shapes[0].state is State.OK


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("number", [5, 6, 7, None])
def test_run_bars_what_dies_and_explains_a_death_only_where_the_host_is_to_blame(mode: str, number: int | None) -> None:
    system = FOREIGN if number is None else enterprise_linux(number)
    doubted = mode in {"none", "unknown"}
    modes = kernels(MODES[mode], MODES[mode], "")
    assert set(barred(system, modes)) == ({"oci", "sif"} if doubted and number in {5, 6} else set())
    assert bool(death(system, modes["oci"])) == (doubted and number != 7)
    assert bool(death(None, modes["oci"])) == doubted, "an image without its lock"


def test_a_certain_death_is_told_as_certain() -> None:
    assert death(enterprise_linux(6), NONE) == "its programs die on this kernel, which has vsyscall=none"
    assert "programs of before 2011" in death(FOREIGN, NONE)
    assert barred(enterprise_linux(6), kernels(UNKNOWN, UNKNOWN, ""))["oci"].endswith("(boss-builder doctor)")


def test_the_kernel_of_a_sif_is_the_hosts_where_apptainer_is() -> None:
    assert kernels(XONLY, NONE, "/usr/bin/apptainer") == {"oci": NONE, "sif": XONLY}
    assert kernels(XONLY, NONE, "") == {"oci": NONE, "sif": NONE}


# -- what starts images -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"oci": "oci", "sif": "sif", "vm": "vm"}),
        ({"engine": NO_ENGINE}, {"oci": None, "sif": "sif", "vm": "vm"}),
        ({"apptainer": NO_APPTAINER}, {"oci": "oci", "sif": "sif", "vm": "vm"}),
        ({"engine": NO_ENGINE, "apptainer": NO_APPTAINER}, {"oci": None, "sif": None, "vm": "vm"}),
        ({"qemu": NO_QEMU}, {"oci": "oci", "sif": "sif", "vm": None}),
        ({"apptainer": NO_APPTAINER, "fuse": NO_FUSE}, {"oci": "oci", "sif": None, "vm": "vm"}),
        ({"fuse": NO_FUSE}, {"oci": "oci", "sif": "sif", "vm": "vm"}),
        ({"kvm": NO_KVM}, {"oci": "oci", "sif": "sif", "vm": "vm"}),
        ({"kvm": Probe(state=State.MISSING, found="KVM was asked for")}, {"oci": "oci", "sif": "sif", "vm": None}),
    ],
    ids=[
        "all", "no-engine", "no-apptainer", "no-containers", "no-qemu", "no-fuse-for-the-builder-image", "no-fuse",
        "no-kvm", "kvm-asked-for",
    ],
)  # fmt: skip
def test_a_shape_has_a_route_where_something_starts_it(changes, expected) -> None:
    advice = advise(a_host(**changes), a_release(enterprise_linux(9)))
    assert routes(advice) == expected
    assert advice.has_routes == (None not in expected.values())
    for one in advice.shapes:
        if one.route is None:
            assert one.state is State.MISSING
            assert any(finding.state is State.MISSING for finding in one.findings)


def test_only_the_shapes_that_are_asked_for_count() -> None:
    host = a_host(qemu=NO_QEMU)
    assert not advise(host, a_release(enterprise_linux(9))).has_routes
    asked = advise(host, a_release(enterprise_linux(9)), ("oci", "sif"))
    assert (tuple(routes(asked)), asked.has_routes) == (("oci", "sif"), True)


def test_a_sif_without_apptainer_needs_the_builder_image_in_the_store() -> None:
    alone = Stored(built=frozenset(SHAPES), current=frozenset(SHAPES))
    advice = advise(a_host(apptainer=NO_APPTAINER), a_release(enterprise_linux(9), stored=alone))
    assert routes(advice)["sif"] is None
    assert about(advice, "sif") == ["apptainer"]


def test_without_kvm_the_machine_is_emulated_and_that_is_told() -> None:
    vm = advise(a_host(kvm=NO_KVM), a_release(enterprise_linux(9))).shapes[-1]
    assert (vm.state, vm.route and vm.route.how) == (State.WARNING, "/usr/bin/qemu, emulated (TCG)")
    assert [finding.cure for finding in vm.findings] == ["modprobe kvm"]


# -- control groups, descriptors, space, memory, clock, rpm -------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "engine", "here", "told"),
    [(6, "2", "v2", False), (7, "2", "v2", True), (7, "1", "v2", False), (7, "", "v2", True), (7, "", "v1", False),
     (8, "2", "v2", False)],
)  # fmt: skip
def test_services_of_el7_do_not_start_in_a_container_on_cgroup_v2(number, engine, here, told) -> None:
    host = a_host(
        engine=msgspec.structs.replace(ENGINE, cgroup=engine),
        cgroup=CgroupProbe(state=State.OK, found=here, version=here),
    )
    advice = advise(host, a_release(enterprise_linux(number)))
    assert ("cgroup" in about(advice, "oci")) == told
    assert routes(advice)["oci"] == "oci", "commands run all the same"


def test_an_endless_number_of_descriptors_is_told_of_old_rpm() -> None:
    many = DescriptorsProbe(
        state=State.WARNING, found="nofile 1000000000", cure="ulimit -n 4096", soft=10**9, hard=10**9
    )
    assert about(advise(a_host(nofile=many), a_release(enterprise_linux(6))), "sif") == ["nofile"]
    assert about(advise(a_host(nofile=many), a_release(enterprise_linux(6))), "oci") == [], "ours have their own limit"


@pytest.mark.parametrize(
    ("store", "engine", "told"),
    [(12, 9, []), (12, 7, ["engine_space"]), (11, 9, ["store_space"]), (0, 0, ["store_space", "engine_space"])],
)
def test_free_space_is_compared_with_what_a_build_needs(store: int, engine: int, told: list[str]) -> None:
    needs = a_release(enterprise_linux(9), stored=Stored())
    assert (needs.store_space(), needs.engine_space()) == (int(11.6 * GIB), 8 * GIB)
    host = a_host(store_space=space(store * GIB), engine_space=space(engine * GIB))
    assert about(advise(host, needs), "build") == told
    assert all(one.state is State.OK for one in advise(host, a_release(enterprise_linux(9))).steps), "all is built"


def test_unknown_space_is_not_judged_and_an_unfrozen_release_is_unknown() -> None:
    unfrozen = a_release(enterprise_linux(9), inputs=None, stored=Stored())
    advice = advise(a_host(store_space=space(None)), unfrozen)
    assert about(advice, "build") == ["lock"]
    assert states(advice)["build"] is State.UNKNOWN
    assert advice.has_routes, "its images may come from elsewhere"


def test_an_image_that_is_not_asked_for_needs_no_space() -> None:
    needs = a_release(enterprise_linux(9), stored=Stored(current=frozenset({"oci"})))
    assert needs.to_build(("sif",)) == ("sif",)
    assert needs.store_space(("oci",)) == 0
    assert needs.store_space(("sif",)) == int(9.2 * GIB)


def test_memory_for_the_machine_is_compared_with_what_is_available() -> None:
    assert about(advise(a_host(), a_release(enterprise_linux(9), memory=64 * GIB)), "vm") == ["memory"]


def test_a_clock_before_the_release_is_told_to_freeze() -> None:
    early = ClockProbe(state=State.OK, found="1970-01-01T00:00:00Z", now=0)
    assert about(advise(a_host(clock=early), a_release(enterprise_linux(9))), "freeze") == ["clock"]


@pytest.mark.parametrize(("number", "told"), [(5, ["rpm"]), (6, ["rpm"]), (7, [])])
def test_a_strict_rpm_is_told_of_packages_with_old_digests(number, told) -> None:
    strict = RpmProbe(state=State.WARNING, found="rpm 6.0", cure="the builder image's", version="6.0")
    assert about(advise(a_host(rpm=strict), a_release(enterprise_linux(number))), "freeze") == told


# -- what holds always --------------------------------------------------------------------------------------------

HOSTS = st.builds(
    a_host,
    engine=st.sampled_from([ENGINE, ELSEWHERE, NO_ENGINE]),
    apptainer=st.sampled_from([a_host().apptainer, NO_APPTAINER]),
    qemu=st.sampled_from([a_host().qemu, NO_QEMU]),
    kvm=st.sampled_from([a_host().kvm, NO_KVM]),
    vsyscall=st.sampled_from(list(MODES.values())),
    cgroup=st.sampled_from([a_host().cgroup, V2]),
    fuse=st.sampled_from([a_host().fuse, NO_FUSE]),
    store_space=st.sampled_from([space(None), space(0), space(100 * GIB)]),
)
RELEASES = st.builds(
    lambda system, shapes, inputs, built: a_release(
        system, shapes=shapes, inputs=inputs, stored=Stored(built=frozenset(built), current=frozenset(built))
    ),
    st.sampled_from([FOREIGN, *map(enterprise_linux, (5, 6, 7, 9))]),
    st.sampled_from([("oci",), ("oci", "sif"), ("oci", "vm"), SHAPES]),
    st.sampled_from([None, 0, GIB]),
    st.sets(st.sampled_from(SHAPES)),
)


@given(HOSTS, RELEASES)
def test_every_shape_has_a_route_or_a_finding_that_says_why_not(host, needs: Needs) -> None:
    advice = advise(host, needs)
    assert tuple(routes(advice)) == needs.shapes
    for one in advice.shapes:
        worst_found = worst(tuple(finding.state for finding in one.findings))
        if one.route is None:
            assert one.state in {State.MISSING, State.UNKNOWN}
            assert worst_found is one.state
        elif one.route.shape == one.shape:
            assert one.state is worst_found
        else:
            assert (one.route.shape, one.state) == ("vm", State.WARNING)
            assert host.qemu.path
            assert "vm" in needs.shapes
        for finding in one.findings:
            assert finding.meaning
            assert (finding.state in {State.OK, State.UNKNOWN}) or finding.cure
    certain = all(one.route and one.state in {State.OK, State.WARNING} for one in advice.shapes)
    assert advice.has_routes == certain


@given(HOSTS, RELEASES)
def test_no_program_that_may_die_is_sent_into_a_container(host, needs: Needs) -> None:
    if needs.system.calls_vsyscall is not True or host.vsyscall.state is State.OK:
        return
    assert not {"oci", "sif"} & set(filter(None, routes(advise(host, needs)).values()))
