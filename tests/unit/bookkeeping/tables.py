"""Small bookkeepings for tests, and strategies for random ones."""

from hypothesis import strategies as st

from builder.bookkeeping.table import Bookkeeping, Payload, PayloadRow, Row

LOW, HIGH = -12, 12


def row(data_type="Mdc", first=1, last=9, version="1.0/1", release="1.0"):
    software, _, parameters = version.partition("/")
    return Row(release, data_type, first, last, software, parameters)


def payload_row(version="1.0/1", first=1, last=9, *constants):
    software, _, parameters = version.partition("/")
    return PayloadRow(software, parameters, first, last, constants or (0.5,))


def payload(name="MdcCalConst", *rows, constants=("t0",)):
    return Payload(name, constants, rows or (payload_row(),))


def book(*rows, payloads=()):
    return Bookkeeping(tuple(rows), tuple(payloads))


runs = st.integers(LOW, HIGH)
rows = st.lists(
    st.builds(
        row,
        st.sampled_from(["Mdc", "TofSim", "Tof", "New"]),
        runs,
        runs,
        st.sampled_from(["1.0/1", "1.0/2", "1.0/default"]),
        st.sampled_from(["1.0", "2.0"]),
    ),
    max_size=8,
)
payloads = st.lists(
    st.builds(
        lambda name, entries: payload(name, *entries),
        st.sampled_from(["MdcCalConst", "TofSimConst", "TofCalConst"]),
        st.lists(
            st.builds(payload_row, st.sampled_from(["1.0/1", "1.0/2", "1.0/3"]), runs, runs, st.floats(0, 1)),
            min_size=1,
            max_size=6,
        ),
    ),
    max_size=3,
    unique_by=lambda payload: payload.name,
)
books = st.builds(lambda rows, payloads: book(*rows, payloads=payloads), rows, payloads)
