"""From files to a typed recipe: inheritance, variables, places."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from builder.core.errors import InputFailure
from builder.recipe.fields import FileRef
from builder.recipe.images import OciImage, SifImage, VmImage
from builder.recipe.load import examine, load, load_base
from builder.recipe.model import DirectorySource, RpmSource, TarballSource
from builder.recipe.tables import CsvTables, MariaDb


@pytest.fixture
def whole(recipes: Any):
    return load(recipes / "whole-1.0" / "recipe.hcl", {}, {})


def test_blocks_with_a_label_merge_by_it_the_bases_first(whole: Any):
    repositories = whole.recipe.os.rpm_repository
    assert [r.name for r in repositories] == ["os", "extra", "third"]
    assert repositories[1].gpgcheck
    assert repositories[1].url == "http://vault.example/el/1/extra/"


def test_blocks_without_a_label_merge_attribute_by_attribute(whole: Any):
    assert whole.recipe.os.packages == ("bash", "coreutils", "python3")
    assert whole.recipe.os.family == "el"


def test_a_path_belongs_to_the_recipe_that_says_it(whole: Any, tmp_path: Any):
    assert whole.recipe.puppet.manifest == FileRef("whole-1.0", "puppet/site.pp")
    assert whole.recipe.puppet.modules == (FileRef("el", "puppet/modules/site"),)
    assert whole.resolve(whole.recipe.puppet.modules[0]) == tmp_path / "recipes" / "el" / "puppet" / "modules" / "site"


def test_a_key_is_a_file_or_an_address(whole: Any):
    assert whole.recipe.os.rpm_repository[1].gpg_keys == (
        FileRef("el", "keys/RPM-GPG-KEY"),
        "http://vault.example/el/1/KEY",
    )


def test_a_source_becomes_the_type_of_its_kind(whole: Any):
    clhep, geant4 = whole.recipe.external_library
    assert isinstance(clhep.source, DirectorySource)
    assert isinstance(geant4.source, TarballSource)
    assert geant4.source.strip_components == 1
    assert isinstance(whole.recipe.package.source, RpmSource)


def test_source_is_replaced_whole(write: Any):
    recipe = write(
        'release "bad" "1" {\n  extends = "whole-1.0"\n  title = "x"\n  date = "2020-01-01"\n  license = "x"\n}\n'
        'external_library "clhep" {\n  source "tarball" {\n    url = "https://a.example/x"\n    sha256 = "'
        + "0" * 64
        + '"\n  }\n}\n'
    )
    clhep = load(recipe, {}, {}).recipe.external_library[0]
    assert isinstance(clhep.source, TarballSource)
    assert clhep.version == "2.4.7.1"


def test_null_takes_back_what_the_base_says(write: Any):
    recipe = write(
        'release "bad" "1" {\n  extends = "whole-1.0"\n  title = "x"\n  date = "2020-01-01"\n  license = "x"\n}\n'
        'document "notes" {\n  file = null\n  url = "https://a.example/"\n  sha256 = "' + "0" * 64 + '"\n}\n'
        "validation {\n  time_limit = null\n}\n"
    )
    loaded = load(recipe, {}, {}).recipe
    assert (loaded.document[0].file, loaded.document[0].url) == (None, "https://a.example/")
    assert loaded.validation.time_limit == 600


def test_values_are_typed(whole: Any):
    assert whole.recipe.release.date == date(2020, 2, 29)
    assert whole.recipe.release.title == "Whole 1.0"
    assert whole.recipe.full_name == "whole-1.0"
    assert whole.recipe.validation.time_limit == 60
    assert whole.recipe.image[0].command[-1] == "echo ${HOME}"


def test_the_files_that_were_read_are_the_recipe_then_what_it_extends(whole: Any, tmp_path: Any):
    folder = tmp_path / "recipes"
    assert whole.files == (folder / "whole-1.0" / "recipe.hcl", folder / "el" / "recipe.hcl")
    assert whole.recipes_folder == folder


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("os", "packages"), "recipes/whole-1.0/recipe.hcl:13:3"),
        (("os", "family"), "recipes/el/recipe.hcl:16:3"),
        (("os", "rpm_repository", "os", "url"), "recipes/el/recipe.hcl:22:5"),
        (("os", "rpm_repository", "third"), "recipes/whole-1.0/recipe.hcl:19:3"),
        (("os", "rpm_repository", "extra", "gpg_keys", 0), "recipes/el/recipe.hcl:28:17"),
        (("package", "boss", "source", "packages"), "recipes/whole-1.0/recipe.hcl:55:5"),
        (("package", "source", "repo_gpgcheck"), "recipes/whole-1.0/recipe.hcl:53:3"),
        (("external_library", "clhep", "environment", "CLHEP_DIR"), "recipes/whole-1.0/recipe.hcl:37:5"),
        (("validation", "sample", "rhopi", "job_options", 1), "recipes/whole-1.0/recipe.hcl:92:51"),
        (("validation", "observable", "mass", "test"), "recipes/whole-1.0/recipe.hcl:123:5"),
        (("bookkeeping", "source", "table"), "recipes/whole-1.0/recipe.hcl:130:5"),
        (("release", "version"), "recipes/whole-1.0/recipe.hcl:1:1"),
        (("nothing", "of", "this"), "recipes/whole-1.0/recipe.hcl"),
    ],
)
def test_where_something_is_said(whole: Any, path: Any, place: Any):
    assert str(whole.where(*path)) == place


def test_the_command_line_wins_over_the_environment_and_that_over_the_default(recipes: Any):
    path = recipes / "whole-1.0" / "recipe.hcl"
    environment = {"BOSS_BUILDER_VAR_prefix": "/env", "BOSS_BUILDER_VAR_nobody": "x"}
    assert load(path, {}, environment).recipe.external_library[0].install_to == "/env/clhep"
    assert load(path, {"prefix": "/word"}, environment).recipe.external_library[0].install_to == "/word/clhep"


def test_a_variable_of_the_base_can_be_set_and_its_default_replaced(recipes: Any, write: Any):
    path = recipes / "whole-1.0" / "recipe.hcl"
    assert (
        load(path, {"vault": "https://v.example"}, {}).recipe.os.rpm_repository[0].url == "https://v.example/el/1/os/"
    )
    child = write(
        'release "bad" "1" {\n  extends = "whole-1.0"\n  title = "x"\n  date = "2020-01-01"\n  license = "x"\n}\n'
        'variable "vault" {\n  default = "https://child.example"\n}\n'
    )
    assert load(child, {}, {}).recipe.os.rpm_repository[0].url == "https://child.example/el/1/os/"


def test_an_unknown_variable_is_an_error_with_the_nearest_name(recipes: Any):
    with pytest.raises(InputFailure, match='has no variable "prefx"') as failure:
        load(recipes / "whole-1.0" / "recipe.hcl", {"prefx": "/x"}, {})
    assert failure.value.problems[0].hint == 'did you mean "prefix"?'


@pytest.mark.parametrize(
    ("default", "word", "value"), [("60", "90", 90), ("true", "false", 30), ("[1]", "[2, 3]", 2), ('"x"', "5", 5)]
)
def test_a_variable_from_outside_is_of_the_kind_of_its_default(write: Any, default: Any, word: Any, value: Any):
    chosen = {"60": "var.v", "true": "var.v ? 60 : 30", "[1]": "length(var.v)", '"x"': 'var.v == "5" ? 5 : 6'}[default]
    path = write(
        'release "bad" "1" {\n  extends = "whole-1.0"\n  title = "x"\n  date = "2020-01-01"\n  license = "x"\n}\n'
        f'variable "v" {{\n  default = {default}\n}}\nvalidation {{\n  time_limit = {chosen}\n}}\n'
    )
    assert load(path, {"v": word}, {}).recipe.validation.time_limit == value


def test_a_variable_of_the_wrong_kind_is_an_error(write: Any):
    path = write('base "bad" {\n  title = "x"\n  extends = "el"\n}\nvariable "v" {\n  default = 1\n}\n')
    with pytest.raises(InputFailure, match='--var v must be a number, not "many"'):
        load_base(path, {"v": "many"}, {})


def test_a_base_is_checked_as_far_as_that_goes(recipes: Any, write: Any):
    load_base(recipes / "el" / "recipe.hcl", {}, {})
    path = write(
        'base "bad" {\n  title = "x"\n}\nvariable "later" {}\n'
        "os {\n  family = var.later\n  version = release.version\n}\n"
    )
    said = [problem.message for problem in examine(path, {}, {}).problems]
    assert said == [
        'missing attribute "architecture" in os',
        'missing attribute "packages" in os',
        'missing block "rpm_repository" in os',
    ]


def test_a_base_is_not_a_release(recipes: Any):
    with pytest.raises(InputFailure, match="el is a base to extend, not a release"):
        load(recipes / "el" / "recipe.hcl", {}, {})


def test_a_recipe_in_the_current_folder_finds_its_base(recipes: Any, monkeypatch: Any):
    monkeypatch.chdir(recipes / "whole-1.0")
    from pathlib import Path

    loaded = load(Path("recipe.hcl"), {}, {})
    assert loaded.recipe.full_name == "whole-1.0"
    assert str(loaded.where("os", "family")) == "../el/recipe.hcl:16:3"


def test_the_same_recipe_gives_equal_values(recipes: Any):
    path = recipes / "whole-1.0" / "recipe.hcl"
    assert load(path, {}, {}).recipe == load(path.absolute(), {}, {}).recipe


RELEASE = (
    'release "bad" "1" {\n  extends = "el"\n  title = "x"\n  date = "2020-01-01"\n  license = "x"\n}\n'
    'package "boss" {\n  install_to = "/opt"\n  source "directory" {\n    path = "data"\n  }\n}\n'
)


def images_of(write: Any, text: str):
    return load(write(RELEASE + text), {}, {}).recipe


def test_an_image_is_of_the_shape_that_its_label_names(write: Any):
    recipe = images_of(write, 'image "vm" {}\nimage "sif" {\n  command = ["/bin/sh"]\n}\n')
    assert recipe.image_of("sif") == SifImage(command=("/bin/sh",))
    assert recipe.image_of("vm") == VmImage()


def test_a_virtual_machine_is_described_in_full(write: Any):
    recipe = images_of(
        write,
        'image "vm" {\n  disk = "1536MiB"\n  memory = "2GiB"\n  processors = 4\n  uefi = true\n'
        '  disk_bus = "nvme"\n  packages = ["kernel"]\n  kernel_arguments = ["net.ifnames=0", "quiet"]\n}\n',
    )
    machine = recipe.image_of("vm")
    assert machine == VmImage(
        disk="1536MiB", memory="2GiB", processors=4, uefi=True, disk_bus="nvme",
        packages=("kernel",), kernel_arguments=("net.ifnames=0", "quiet"),
    )  # fmt: skip
    assert (machine.disk_bytes, machine.memory_bytes) == (1_610_612_736, 2_147_483_648)


def test_without_an_image_block_there_is_the_oci_image_alone(write: Any):
    recipe = images_of(write, "")
    assert recipe.image == (OciImage(),)
    assert recipe.shapes == ("oci",)
    assert (recipe.image_of("sif"), recipe.image_of("vm")) == (None, None)


def test_an_oci_image_is_made_for_the_others_though_no_block_says_so(write: Any):
    recipe = images_of(write, 'image "vm" {}\nimage "sif" {}\n')
    assert recipe.image_of("oci") == OciImage()
    assert recipe.shapes == ("oci", "sif", "vm")


def test_an_image_is_merged_over_that_of_the_base_attribute_by_attribute(recipes: Any, write: Any):
    base = recipes / "el" / "recipe.hcl"
    base.write_text(base.read_text() + '\nimage "vm" {\n  disk_bus = "ide"\n  memory = "2GiB"\n}\n')
    assert images_of(write, 'image "vm" {\n  memory = "512MiB"\n}\n').image_of("vm") == VmImage(
        disk_bus="ide", memory="512MiB"
    )


def test_where_an_attribute_of_an_image_is_said(write: Any):
    loaded = load(write(RELEASE + 'image "vm" {\n  packages = [\n    "kernel",\n  ]\n}\n'), {}, {})
    assert str(loaded.where("image", "vm", "packages", 0)) == "recipes/bad/recipe.hcl:15:5"


def test_blocks_inside_blocks_keep_their_order_and_their_types(whole: Any):
    validation = whole.recipe.validation
    assert validation.family_wise_error_rate == 0.05
    (sample,) = validation.sample
    assert sample.job_options == (
        FileRef("whole-1.0", "jobs/jobOptions_sim.txt"),
        FileRef("whole-1.0", "jobs/jobOptions_rec.txt"),
    )
    assert (sample.command, sample.events, sample.emulated_events, sample.time_limit) == (("boss.exe",), 2000, 100, 600)
    assert [(r.name, r.release, r.results) for r in validation.reference] == [
        ("previous", "whole-0.9", None),
        ("data", None, FileRef("whole-1.0", "data")),
    ]
    assert [(o.name, o.test, o.tolerance, o.critical) for o in validation.observable] == [
        ("tracking-efficiency", "binomial-ratio", 0.005, True),
        ("mass", "ks", 0.0, False),
    ]


def test_the_bookkeeping_is_of_the_kind_of_its_source(whole: Any):
    bookkeeping = whole.recipe.bookkeeping
    assert bookkeeping.source == CsvTables(
        table=FileRef("whole-1.0", "bookkeeping/CalVtxLumVer.csv"),
        payloads=FileRef("whole-1.0", "bookkeeping/payloads"),
    )
    assert bookkeeping.accept == ("gap", "default-version")
    assert bookkeeping.install_to == "/usr/share/bookkeeping/offlinedb.db"


def test_a_bookkeeping_from_a_server_has_the_usual_names_by_default(write: Any):
    recipe = images_of(write, 'bookkeeping {\n  source "mariadb" {\n    host = "db"\n    user = "reader"\n  }\n}\n')
    assert recipe.bookkeeping.source == MariaDb(host="db", user="reader")
    assert (recipe.bookkeeping.source.port, recipe.bookkeeping.source.database) == (3306, "offlinedb")
    assert recipe.bookkeeping.accept == ("gap",)


def test_what_the_base_compares_is_kept_and_changed_one_by_one(write: Any):
    path = write(
        'release "bad" "1" {\n  extends = "whole-1.0"\n  title = "x"\n  date = "2020-01-01"\n  license = "x"\n}\n'
        'validation {\n  observable "mass" {\n    tolerance = 1\n  }\n  observable "angle" {\n    samples = ["rhopi"]\n'
        '    histograms = ["angle"]\n    reference = "data"\n    test = "chi2"\n  }\n}\n'
    )
    validation = load(path, {}, {}).recipe.validation
    assert [(o.name, o.test, o.tolerance) for o in validation.observable] == [
        ("tracking-efficiency", "binomial-ratio", 0.005),
        ("mass", "ks", 1.0),
        ("angle", "chi2", 0.0),
    ]
    assert isinstance(validation.observable[1].tolerance, float)
    assert validation.sample[0].name == "rhopi"


@pytest.mark.parametrize(
    ("word", "said"), [("nan", "must be a finite number, not nan"), ("0.0", "must be above 0, not 0.0")]
)
def test_a_number_from_outside_obeys_the_bounds_too(write: Any, word: Any, said: Any):
    path = write(
        RELEASE + 'variable "rate" {\n  default = 0.05\n}\n'
        'validation {\n  suite = "data"\n  family_wise_error_rate = var.rate\n}\n'
    )
    assert load(path, {"rate": "0.5"}, {}).recipe.validation.family_wise_error_rate == 0.5
    with pytest.raises(InputFailure, match=f'"family_wise_error_rate" {said}'):
        load(path, {"rate": word}, {})


def test_a_base_may_name_a_reference_that_only_a_release_has(tmp_path: Path):
    folder = tmp_path / "recipes" / "some"
    folder.mkdir(parents=True)
    (folder / "recipe.hcl").write_text(
        'base "some" {\n  title = "x"\n}\nvalidation {\n  observable "m" {\n    samples = ["s"]\n'
        '    histograms = ["h"]\n    reference = "data"\n    test = "ks"\n  }\n}\n'
    )
    problems = examine(folder / "recipe.hcl", {}, {}).problems
    assert not [problem for problem in problems if "there is no" in problem.message]
