"""Groups of packages are what comps.xml says, however it is packed."""

import bz2
import gzip
import lzma

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.inside.groups import Groups, read_groups

COMPS = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">
<comps>
 <group>
  <id>core</id><name>Core</name><name xml:lang="de">Kern</name>
  <packagelist>
   <packagereq type="mandatory">bash</packagereq>
   <packagereq>setup</packagereq>
   <packagereq type="default">cronie</packagereq>
   <packagereq type="optional">dracut-network</packagereq>
   <packagereq type="conditional" requires="bash">bash-completion</packagereq>
   <packagereq type="conditional" requires="gnome">gnome-extra</packagereq>
  </packagelist>
 </group>
 <group><id>base</id><name>Base</name><packagelist><packagereq type="default">acl</packagereq></packagelist></group>
 <environment>
  <id>minimal</id><name>Minimal Install</name>
  <grouplist><groupid>core</groupid><groupid>base</groupid></grouplist>
 </environment>
</comps>
"""
PACKED = {
    "": bytes,
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
}
CORE = ["bash", "bash-completion", "cronie", "setup"]


def repository(folder, data=None, suffix="", kind="group"):
    repodata = folder / "repodata"
    repodata.mkdir(parents=True)
    listed = f'<data type="{kind}"><location href="repodata/comps.xml{suffix}"/></data>' if data is not None else ""
    (repodata / "repomd.xml").write_text(f'<repomd xmlns="http://linux.duke.edu/metadata/repo">{listed}</repomd>')
    if data is not None:
        (repodata / f"comps.xml{suffix}").write_bytes(data)
    return folder


@pytest.mark.parametrize("suffix", PACKED)
def test_a_group_is_its_mandatory_and_default_packages_and_what_hangs_on_them(tmp_path, suffix):
    folder = repository(tmp_path / "os", PACKED[suffix](COMPS.encode()), suffix, "group_gz" if suffix else "group")
    groups = read_groups([folder])
    assert groups.members("@core") == groups.members("@Core") == CORE
    assert groups.members("@^minimal") == groups.members("@Minimal Install") == ["acl", *CORE]
    assert groups.members("@cor") == groups.members("@") == groups.members("@Kern") == []


def test_a_group_that_several_repositories_have_is_what_they_have_together(tmp_path):
    packages = '<packagelist><packagereq type="default">more</packagereq></packagelist>'
    more = f"<comps><group><id>core</id>{packages}</group></comps>"
    folders = [
        repository(tmp_path / "os", COMPS.encode()),
        repository(tmp_path / "updates", more.encode()),
        repository(tmp_path / "none"),
    ]
    assert read_groups(folders).members("@core") == sorted([*CORE, "more"])


@pytest.mark.parametrize("data", [b"", b"<comps>", b"\x28\xb5\x2f\xfd"], ids=["empty", "cut", "packed otherwise"])
def test_what_is_no_xml_is_refused_by_the_name_of_its_repository(tmp_path, data):
    with pytest.raises(ValueError, match="the groups of os can not be read"):
        read_groups([repository(tmp_path / "os", data)])


@given(
    packages=st.dictionaries(st.sampled_from("abc"), st.sets(st.sampled_from("pqrst"))),
    environment=st.lists(st.sampled_from("abcd")),
)
def test_an_environment_is_what_its_groups_are(packages, environment):
    groups = Groups(packages=packages, environments={"all": environment})
    together = {name for group in environment for name in groups.members(f"@{group}")}
    assert groups.members("@^all") == sorted(together)
