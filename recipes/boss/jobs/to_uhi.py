"""Write the histograms of a ROOT file in the serialisation of UHI.

    python to_uhi.py FILE.root RESULT.json

It runs inside the image, under the release's own Python (2.5 at the oldest) and ROOT. Histograms of one dimension are
taken, wherever in the file they are, by their own names. The same histograms give the same bytes: keys are sorted, and
nothing of the run is written.
"""
# ruff: noqa: ANN001, B905, PTH123, SIM115, T201, UP024, UP031 - Python 2.5 reads it too

import sys


def text(value):
    """Give a value of JSON; Python 2.5 has no module for it."""
    if value is True or value is False:
        return str(value).lower()
    if isinstance(value, dict):
        return "{%s}" % ",".join(["%s:%s" % (text(key), text(value[key])) for key in sorted(value)])
    if isinstance(value, list):
        return "[%s]" % ",".join([text(item) for item in value])
    if isinstance(value, str):
        return '"%s"' % "".join([character(c) for c in value])
    if value - value != 0:
        raise ValueError("%r is no number of JSON" % value)
    return repr(value)


def character(c):
    """Give a character of a text in JSON; what is not plain ASCII becomes a question mark."""
    if c in '"\\':
        return "\\" + c
    if " " <= c <= "~":
        return c
    return "?"


def serialised(histogram):
    """Give a TH1 as UHI's schema 1 has it: one axis with underflow and overflow, values and variances."""
    axis = histogram.GetXaxis()
    bins = histogram.GetNbinsX()
    edges = [float(axis.GetBinLowEdge(number)) for number in range(1, bins + 2)]
    described = {"underflow": True, "overflow": True, "circular": False, "metadata": {"label": str(axis.GetTitle())}}
    if axis.GetXbins().GetSize() > 0:
        described.update({"type": "variable", "edges": edges})
    else:
        described.update({"type": "regular", "lower": edges[0], "upper": edges[-1], "bins": bins})
    values = [float(histogram.GetBinContent(number)) for number in range(bins + 2)]
    variances = [float(histogram.GetBinError(number)) ** 2 for number in range(bins + 2)]
    title = {"title": str(histogram.GetTitle())}
    return {"uhi_schema": 1, "metadata": title, "axes": [described], "storage": stored(values, variances)}


def stored(values, variances):
    """Give the storage: plain counts where every entry has weight 1, so that few of them can be compared too."""
    for value, variance in zip(values, variances):
        if value != int(value) or abs(variance - value) > 1e-9 * (1 + value):
            return {"type": "weighted", "values": values, "variances": variances}
    return {"type": "double", "values": values}


def collect(folder, found):
    """Add every histogram of one dimension below a folder of a ROOT file, by its name."""
    for key in folder.GetListOfKeys():
        item = key.ReadObj()
        if item.InheritsFrom("TDirectory"):
            collect(item, found)
        elif item.InheritsFrom("TH1") and item.GetDimension() == 1:
            if item.GetName() in found:
                raise ValueError("two histograms are called %s" % item.GetName())
            found[str(item.GetName())] = serialised(item)


def main(source, target):
    """Write the histograms of `source` to `target`; the number of them is the answer."""
    import ROOT

    file = ROOT.TFile.Open(source)
    if not file or file.IsZombie():
        raise IOError("%s can not be read" % source)
    found = {}
    collect(file, found)
    if not found:
        raise ValueError("%s holds no histogram of one dimension" % source)
    sink = open(target, "w")
    try:
        sink.write(text(found) + "\n")
    finally:
        sink.close()
    return len(found)


if __name__ == "__main__":
    print("%d histograms" % main(sys.argv[1], sys.argv[2]))
