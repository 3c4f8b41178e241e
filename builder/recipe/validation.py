"""How a booted image is judged: the suite, the samples, and what they are compared with."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from builder.recipe.fields import Block, FilePath, FolderPath, Name, Text


class Sample(Block, frozen=True, kw_only=True):
    """`sample "NAME" { ... }`: events of one channel, made and reconstructed in the booted image."""

    labels: ClassVar[tuple[str, ...]] = ("name",)

    name: Name
    channel: Annotated[str, Meta(min_length=1, description="as reports call it: J/psi -> rho pi")]
    job_options: Annotated[
        tuple[FilePath, ...], Meta(min_length=1, description="the jobs in their order; each file is given to `command`")
    ]
    files: Annotated[tuple[FilePath, ...], Meta(description="what the jobs read besides, as decay cards")] = ()
    command: Annotated[tuple[Text, ...], Meta(min_length=1)] = ("boss.exe",)
    result: Annotated[Name, Meta(description="the file of histograms that the last job writes")]
    events: Annotated[int, Meta(ge=1, le=100_000_000)]
    emulated_events: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=100_000_000,
                description="events where the processor is emulated; default: a tenth of `events`",
            ),
        ]
        | None
    ) = None
    seed: Annotated[int, Meta(ge=1, le=2_147_483_647)]
    time_limit: Annotated[int, Meta(gt=0, description="seconds for each job")] = 600


class Reference(Block, frozen=True, kw_only=True):
    """`reference "NAME" { ... }`: what samples are compared with; one of `release` and `results`."""

    labels: ClassVar[tuple[str, ...]] = ("name",)

    name: Name
    title: Annotated[str, Meta(min_length=1, description="as reports call it: the previous release, data")]
    release: Annotated[Name | None, Meta(description="a release whose result the store holds")] = None
    results: Annotated[FolderPath | None, Meta(description="a folder of SAMPLE.json, as samples' results")] = None
    stands_in_for: Annotated[
        str, Meta(description="what this only imitates, as in `data of BESIII`; every report says so")
    ] = ""


class Observable(Block, frozen=True, kw_only=True):
    """`observable "NAME" { ... }`: quantities of samples that are compared with a reference, all in one way."""

    labels: ClassVar[tuple[str, ...]] = ("name",)

    name: Name
    samples: Annotated[
        tuple[Name, ...], Meta(min_length=1, description="the samples in which each histogram is compared")
    ]
    histograms: Annotated[
        tuple[Name, ...],
        Meta(min_length=1, description="names in the result; of an efficiency the stem of NAME_passed and NAME_total"),
    ]
    reference: Name
    test: Literal["chi2", "ks", "binomial-ratio"]
    tolerance: Annotated[
        float, Meta(ge=0, le=1, description="a difference that is accepted even where it is significant")
    ] = 0.0
    critical: Annotated[bool, Meta(description="whether a difference makes the validation fail")] = True


class Validation(Block, frozen=True, kw_only=True):
    """`validation { ... }`: how a booted image is judged."""

    suite: Annotated[FolderPath, Meta(description="a folder of pytest and testinfra tests")]
    time_limit: Annotated[int, Meta(gt=0, description="seconds for the whole suite")] = 600
    family_wise_error_rate: Annotated[
        float,
        Meta(gt=0, le=0.5, description="the probability that chance alone makes any of the comparisons fail"),
    ] = 0.01
    sample: tuple[Sample, ...] = ()
    reference: tuple[Reference, ...] = ()
    observable: tuple[Observable, ...] = ()
