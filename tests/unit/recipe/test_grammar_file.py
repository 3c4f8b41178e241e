"""Where the compiled grammar is kept."""

from pathlib import Path

from builder.recipe.parse import grammar_file


def test_it_stays_beside_python_hcl2_where_that_can_be_written(tmp_path: Path):
    installed = tmp_path / "grammar.bin"
    assert grammar_file(installed, {"XDG_CACHE_HOME": str(tmp_path / "cache")}) == installed
    assert not (tmp_path / "cache").exists()


def test_it_goes_to_the_users_cache_where_that_cannot_be_written(tmp_path: Path):
    installed = tmp_path / "not-there" / "grammar.bin"
    cache = tmp_path / "cache" / "boss-builder"
    assert grammar_file(installed, {"XDG_CACHE_HOME": str(tmp_path / "cache")}) == cache / "hcl2-grammar.bin"
    assert cache.is_dir()
    home = grammar_file(installed, {"HOME": str(tmp_path)})
    assert home == tmp_path / ".cache" / "boss-builder" / "hcl2-grammar.bin"


def test_without_any_place_the_grammar_is_made_each_time(tmp_path: Path):
    (tmp_path / "file").write_text("not a folder")
    installed = tmp_path / "not-there" / "grammar.bin"
    assert grammar_file(installed, {"XDG_CACHE_HOME": str(tmp_path / "file")}) == installed
