"""What the stand-in's `boss.exe` does: read job options, make a sample, reconstruct it, book its histograms.

`boss.exe` is a copy of a Python interpreter, so that it is a real program with real libraries; Python reads this file
at its start, and ends in it where it is called by that name. The messages are the real ones, as far as they are public.
Nothing is simulated: a sample is the number of its events and a seed.
"""
# ruff: noqa: T201 - it speaks as the real program does

import json
import os
import random
import re
import sys

ASSIGNMENT = re.compile(r"^\s*([\w.]+)\s*(\+?=)\s*(.*?)\s*;", re.MULTILINE | re.DOTALL)
INCLUDE = re.compile(r'^\s*#include\s+"([^"]*)"', re.MULTILINE)
COMMENT = re.compile(r"//.*")
BINS = 50
HISTOGRAMS = {
    "DQASelBhabha": [
        "ee_mass", "ee_acoll", "ee_eop_ep", "ee_eop_em", "ee_eemc_ep", "ee_eemc_em", "ee_p_ep", "ee_p_em", "ee_z_ep",
        "ee_z_em", "ee_costheta_ep", "ee_costheta_em", "ee_phi_ep", "ee_phi_em",
    ],
    "DQASelDimu": [
        "mumu_mass", "mumu_acoll", "mumu_eemc_mup", "mumu_eemc_mum", "mumu_p_mup", "mumu_p_mum", "mumu_z_mup",
        "mumu_z_mum", "mumu_costheta_mup", "mumu_costheta_mum", "mumu_phi_mup", "mumu_phi_mum",
    ],
    "DQAJpsi2PPbarAlg": ["bst_p", "mpp", "angle", "deltatof", "e_emc1", "e_emc2", "bst_cos"],
    "DQARhopi": ["stand_in_rhopi"],
    "DQAKsKpiDEDX": ["ks_dl", "ks_m", "ks_p", "kspi_m", "kpi_m"],
}  # fmt: skip
"""By algorithm. Those of rho pi are not public, so theirs has a name that says so."""


class JobError(Exception):
    """The job can not run."""


def included(path):
    """Give the text of a file of job options with what it includes, without comments."""
    try:
        with open(path) as file:  # noqa: PTH123
            text = COMMENT.sub("", file.read())
    except OSError as error:
        raise JobError(f"can not open {path}: {error.strerror}") from error

    def text_of(match):
        return included(os.path.expandvars(match[1]))

    return INCLUDE.sub(text_of, text)


def read(path):
    """Give the properties that a file sets, the last assignment of each; what is added is kept in a list."""
    properties = {}
    for name, operator, value in ASSIGNMENT.findall(included(path)):
        words = re.findall(r'"([^"]*)"', value) or [value]
        properties[name] = properties.get(name, []) + words if operator == "+=" else words
    return properties


def simulate(properties):
    """Write a sample: the channel by its decay card, how many events, the seed."""
    card = properties["EvtDecay.userDecayTableName"][0]
    try:
        with open(card) as file:  # noqa: PTH123
            text = file.read()
    except OSError as error:
        raise JobError(f"can not open the decay card {card}: {error.strerror}") from error
    if not text.endswith("End\n\n"):
        raise JobError(f"the decay card {card} does not end with End and an empty line")
    target = properties["RootCnvSvc.digiRootOutputFile"][0]
    events, seed = int(properties["ApplicationMgr.EvtMax"][0]), int(properties["BesRndmGenSvc.RndmSeed"][0])
    write(target, {"card": card, "events": events, "seed": seed})


def reconstruct(properties):
    """Write what was read, and that it is reconstructed."""
    sample = load(properties["EventCnvSvc.digiRootInputFile"][0])
    write(properties["EventCnvSvc.digiRootOutputFile"][0], {**sample, "reconstructed": True})


def analyse(properties):
    """Book the histograms of the last algorithm."""
    sample = load(properties["EventCnvSvc.digiRootInputFile"][0])
    if not sample.get("reconstructed"):
        raise JobError("the sample is not reconstructed")
    algorithm = properties["ApplicationMgr.TopAlg"][-1]
    if algorithm not in HISTOGRAMS:
        raise JobError(f"no algorithm {algorithm}")
    stream = properties["THistSvc.Output"][0]
    booked = {name: filled(name, sample["events"], sample["seed"]) for name in HISTOGRAMS[algorithm]}
    write(re.search(r"DATAFILE='([^']*)'", stream)[1], {"histograms": booked})


def filled(name, events, seed):
    """Fill a histogram of BINS bins from -3 to 3, with underflow and overflow, with normal numbers."""
    dice = random.Random(f"{name} {seed}")
    contents = [0] * (BINS + 2)
    for _ in range(events):
        contents[max(0, min(BINS + 1, 1 + int((dice.gauss(0, 1) + 3) * BINS / 6)))] += 1
    return {"lower": -3.0, "upper": 3.0, "contents": contents}


def load(path):
    """Read a file of events."""
    try:
        with open(path) as file:  # noqa: PTH123
            return json.load(file)
    except (OSError, ValueError) as error:
        raise JobError(f"can not read {path}: {error}") from error


def write(path, document):
    """Write a file of events, or of histograms."""
    with open(path, "w") as file:  # noqa: PTH123
        json.dump(document, file)


def main(words):
    """Run the jobs; the answer is the exit code."""
    print(f"BOSS version: {os.environ['BES_RELEASE']}")
    if not words:
        print("ERROR! the jobOptions file is empty!")
        return 1
    try:
        for word in words:
            properties = read(word)
            if "RootCnvSvc.digiRootOutputFile" in properties:
                simulate(properties)
            elif "EventCnvSvc.digiRootOutputFile" in properties:
                reconstruct(properties)
            else:
                analyse(properties)
    except (JobError, KeyError) as error:
        print(f"ERROR! {error}")
        return 1
    return 0


if os.path.basename(sys.executable) == "boss.exe":  # noqa: PTH119
    code = main(sys.orig_argv[1:])
    sys.stdout.flush()
    os._exit(code)
