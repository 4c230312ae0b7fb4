"""Names that YAML takes for something else are said, with what to write instead."""

import pytest

from helpers.data.datasets import DatasetError, look_at, open_microct


def with_names(write, left, more=""):
    """The folder with an area called as it is written in YAML."""
    write()
    path = write.folder / "dataset.yml"
    text = path.read_text().replace("1: left", f"1: {left}")
    path.write_text(text + more)
    return write.folder


@pytest.mark.parametrize(
    ("written", "found", "remedy"),
    [
        ("99", "the number 99", 'Quote it, as it was written: `"99"`.'),
        ("1.0e+3", "the number 1000.0", "Quote it, as it was written"),
        ("0x1F", "the number 31", "Quote it, as it was written"),
        ("Yes", "yes (YAML's word for Yes, On and True", 'Quote it, for example `"Yes"`.'),
        ("off", "no (YAML's word for", 'Quote it, for example `"No"`.'),
        ("2024-05-01", "the date 2024-05-01", 'Quote it, as it was written: `"2024-05-01"`.'),
        ("~", "nothing (so YAML reads null", "Write a name"),
        ("[a, b]", "a list of 2", "Write one name."),
    ],
)
def test_a_name_without_quotes(two_area_folder, written, found, remedy):
    folder = with_names(two_area_folder, written)
    with pytest.raises(DatasetError) as error:
        open_microct(folder)
    (line,) = str(error.value).splitlines()[1:]
    assert f"areas.1: found {found}" in line and "expected a name" in line and remedy in line
    assert [str(problem) for problem in look_at(folder)[1]] == [line.strip()]


@pytest.mark.parametrize(
    ("written", "name"), [('"99"', "99"), ("'Yes'", "Yes"), ("1e3", "1e3"), ('"1e3"', "1e3")]
)
def test_a_quoted_name_is_a_name(two_area_folder, written, name):
    assert name in open_microct(with_names(two_area_folder, written)).areas


@pytest.mark.parametrize("more", ["roles: {cortex: 99}\n", "colours: {99: '#123456'}\n"])
def test_a_name_is_quoted_wherever_it_stands(two_area_folder, more):
    with pytest.raises(DatasetError, match='Quote it, as it was written: `"99"`'):
        open_microct(with_names(two_area_folder, '"99"', more))
    quoted = more.replace("99", '"99"')
    data = open_microct(with_names(two_area_folder, '"99"', quoted))
    assert data.colours == {"99": "#123456"} or data.roles["cortex"] == ("99",)
