"""The packages of a release in the list that its repository has today."""

from hypothesis import given
from hypothesis import strategies as st

from builder.rebuild.upstream import primary
from builder.rebuild.upstream.primary import read_primary

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?><metadata xmlns="http://linux.duke.edu/metadata/common" '
    'xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="1">'
)
PACKAGE = (
    '<package type="rpm"><name>{name}</name><arch>noarch</arch><version epoch="{epoch}" ver="1.0" rel="1"/>'
    '<checksum type="sha256" pkgid="YES">{checksum}</checksum><summary>x</summary><location href="{location}"/>'
    '<format><rpm:provides><rpm:entry name="other"/></rpm:provides><file>/name</file></format></package>'
)


def read(tmp_path, packages, names):
    path = tmp_path / "part"
    path.write_text(HEAD + "".join(packages) + "</metadata>")
    return read_primary(path, "repodata/primary.xml", names)


def test_a_package_listed_twice_and_one_without_an_epoch(tmp_path):
    one = PACKAGE.format(name="a", epoch="", checksum="ab", location="a.rpm")
    two = PACKAGE.format(name="a", epoch="0", checksum="cd", location="b/a.rpm")
    found = read(tmp_path, [one, two], {"a-0:1.0-1.noarch"})
    assert [one.location for one in found["a-0:1.0-1.noarch"]] == ["a.rpm", "b/a.rpm"]


def test_a_list_that_repeats_itself_does_not_fill_the_memory(tmp_path):
    one = PACKAGE.format(name="a", epoch="0", checksum="ab", location="a.rpm")
    (found,) = read(tmp_path, [one] * 50, {"a-0:1.0-1.noarch"}).values()
    assert len(found) == primary.SAME


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 9)), max_size=15), st.sets(st.sampled_from("abcd")))
def test_exactly_the_wanted_packages_are_found(tmp_path_factory, packages, wanted):
    texts = [PACKAGE.format(name=n, epoch=e, checksum="ab", location=f"{n}-{e}.rpm") for n, e in packages]
    nevras = {f"{name}-{epoch}:1.0-1.noarch" for name in wanted for epoch in range(10)}
    found = read(tmp_path_factory.mktemp("list"), texts, nevras)
    assert set(found) == {f"{n}-{e}:1.0-1.noarch" for n, e in packages if n in wanted}
    assert sum(map(len, found.values())) == sum(n in wanted for n, _ in packages)
