"""As much of PyROOT as reading histograms needs, over the files that the stand-in's `boss.exe` writes."""
# ruff: noqa: N802 - the names are ROOT's

import json
import math


class TAxis:
    """A regular axis."""

    def __init__(self, lower, upper, bins):
        self.lower, self.width = lower, (upper - lower) / bins

    def GetBinLowEdge(self, number):
        return self.lower + (number - 1) * self.width

    def GetTitle(self):
        return ""

    def GetXbins(self):
        return self

    def GetSize(self):
        return 0


class TH1:
    """A histogram of one dimension."""

    def __init__(self, name, described):
        self.name, self.contents = name, described["contents"]
        self.axis = TAxis(described["lower"], described["upper"], len(self.contents) - 2)

    def InheritsFrom(self, kind):
        return kind in ("TH1", "TObject")

    def GetDimension(self):
        return 1

    def GetName(self):
        return self.name

    GetTitle = GetName

    def GetXaxis(self):
        return self.axis

    def GetNbinsX(self):
        return len(self.contents) - 2

    def GetBinContent(self, number):
        return self.contents[number]

    def GetBinError(self, number):
        return math.sqrt(self.contents[number])

    def ReadObj(self):
        return self


class TFile:
    """A file of histograms."""

    def __init__(self, path):
        with open(path) as file:  # noqa: PTH123
            self.histograms = [TH1(name, found) for name, found in json.load(file)["histograms"].items()]

    @classmethod
    def Open(cls, path):
        return cls(path)

    def IsZombie(self):
        return False

    def GetListOfKeys(self):
        return self.histograms
