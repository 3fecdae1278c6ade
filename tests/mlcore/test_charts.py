"""Charts: what is drawn where, what people who cannot see it are told, and what a policy allows."""

import math
import re
from xml.etree import ElementTree

import pytest
from django.template import Context, Template

from mlcore.reporting import charts
from mlcore.reporting.axes import round_ticks
from mlcore.reporting.svg import standing_alone

SVG = "{http://www.w3.org/2000/svg}"


def parse(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314 - made here


def words(svg: str) -> list[str]:
    return [node.text or "" for node in parse(svg).iter(f"{SVG}text")]


def rows(svg: str) -> list[tuple[float, float]]:
    """The bars or columns: width and height of each."""
    return [
        (float(node.attrib["width"]), float(node.attrib["height"]))
        for node in parse(svg).iter(f"{SVG}rect")
    ]


ALL = {
    "lines": charts.lines({"a": [(1, 0.5), (2, 0.25)]}, title="Loss", x_label="step"),
    "bars": charts.bars({"colour": 0.5}, title="Kinds", intervals={"colour": (0.4, 0.6)}),
    "histogram": charts.histogram([1, 1, 7], edges=[1, 2, 6], title="Ranks", y_label="queries"),
    "nothing": charts.lines({}, title="Loss"),
}


@pytest.mark.parametrize("name", ALL)
def test_every_plot_is_an_image_with_a_name_and_a_description(name: str) -> None:
    root = parse(ALL[name])
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] in {"Loss", "Kinds", "Ranks"}
    description = root.find(f"{SVG}desc")
    assert description is not None
    assert description.text


@pytest.mark.parametrize("name", ALL)
def test_nothing_in_it_breaks_a_strict_policy(name: str) -> None:
    svg = ALL[name]
    for node in parse(svg).iter():
        assert node.tag != f"{SVG}script"
        assert node.tag != f"{SVG}style"
        assert "style" not in node.attrib
        assert not any(key.startswith("on") for key in node.attrib)
    assert "href" not in svg
    assert " id=" not in svg  # a page may hold several


def test_what_others_wrote_is_escaped() -> None:
    hostile = "<script>alert(1)</script>\"'&"
    for svg in (
        charts.lines({hostile: [(0, 1), (1, 2)], "b": [(0, 1)]}, title=hostile, x_label=hostile),
        charts.bars({hostile: 1.0}, title=hostile, references={hostile: 2.0}),
        charts.histogram([1], edges=[1], title=hostile, x_label=hostile),
    ):
        assert "<script" not in svg
        assert parse(svg).attrib["aria-label"] == hostile


def test_a_template_engine_leaves_it_as_it_is() -> None:
    hostile = charts.bars({"<b>": 1.0}, title="t")
    assert Template("{{ plot }}").render(Context({"plot": hostile})) == str(hostile)
    assert "&lt;b&gt;" in hostile


def test_a_point_lies_where_the_axes_say() -> None:
    svg = charts.lines({"loss": [(0, 0.0), (10, 4.0), (20, 2.0)]}, title="t")
    [path] = [
        node.attrib["d"]
        for node in parse(svg).iter(f"{SVG}path")
        if node.attrib["class"] == "plot-series-1"
    ]
    points = [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]
    ticks = {
        node.text: (float(node.attrib["x"]), float(node.attrib["y"]))
        for node in parse(svg).iter(f"{SVG}text")
    }
    assert points[1][0] == pytest.approx(ticks["10"][0], abs=0.1)
    assert points[1][1] == pytest.approx(ticks["4"][1] - 4, abs=0.1)  # text stands 4 lower
    assert points[2][1] == pytest.approx((points[0][1] + points[1][1]) / 2, abs=0.1)


def test_on_logarithmic_axes_ten_times_as_much_is_as_far_everywhere() -> None:
    points = [(1, 10), (10, 100), (100, 1_000), (1_000, 20)]
    svg = charts.lines({"rate": points}, title="t", log=True)
    [path] = re.findall(r'class="plot-series-1" d="([^"]+)"', svg)
    drawn = [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]
    assert drawn[1][0] - drawn[0][0] == pytest.approx(drawn[3][0] - drawn[2][0], abs=0.2)
    assert drawn[0][1] - drawn[1][1] == pytest.approx(drawn[1][1] - drawn[2][1], abs=0.2)
    share = (drawn[0][1] - drawn[3][1]) / (drawn[0][1] - drawn[1][1])
    assert share == pytest.approx(math.log10(2), abs=0.01)
    assert {"1", "10", "100", "1,000"} <= set(words(svg))


def test_a_drawing_of_its_own_has_a_ground_and_no_colour_of_a_page() -> None:
    alone = standing_alone(ALL["lines"])
    assert "currentColor" not in alone
    [(width, height), *_] = [
        (node.attrib["width"], node.attrib["height"]) for node in parse(alone).iter(f"{SVG}rect")
    ]
    assert (width, height) == ("100%", "100%")


def test_a_value_that_is_not_finite_leaves_a_gap() -> None:
    points = [(0, 1.0), (1, 1.0), (2, math.nan), (3, 1.0), (4, 1.0)]
    svg = charts.lines({"loss": points}, title="t")
    assert "nan" not in svg.lower()
    [path] = re.findall(r'class="plot-series-1" d="([^"]+)"', svg)
    assert path.count("M") == 2


def test_a_legend_only_where_there_is_something_to_tell_apart() -> None:
    one = charts.lines({"only": [(0, 1), (1, 2)]}, title="t")
    two = charts.lines({"first": [(0, 1), (1, 2)], "second": [(0, 2), (1, 1)]}, title="t")
    assert "only" not in words(one)
    assert {"first", "second"} <= set(words(two))
    assert "stroke-dasharray" in two  # told apart without colour


def test_a_long_run_is_drawn_as_means_of_neighbours() -> None:
    noisy = [(float(n), float(n % 2)) for n in range(24_000)]
    svg = charts.lines({"loss": noisy}, title="t")
    assert len(svg) < 10_000
    [path] = re.findall(r'class="plot-series-1" d="([^"]+)"', svg)
    heights = {y for _, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)}
    assert len(heights) == 1  # each hundred has the mean 0.5


def test_intervals_are_drawn_as_whiskers_and_fit_the_axis() -> None:
    svg = charts.lines({"r": [(1, 0.5)]}, title="t", intervals={"r": [(0.1, 0.9)]})
    assert svg.count('class="plot-whisker"') == 1
    numbers = [float(text) for text in words(svg) if re.fullmatch(r"[\d.]+", text)]
    assert min(numbers) <= 0.1
    assert max(numbers) >= 0.9


def test_bars_are_as_long_as_their_values() -> None:
    svg = charts.bars({"a": 0.25, "b": 0.5, "c": -0.25}, title="t", references={"a": 0.4})
    widths = [width for width, _ in rows(svg)]
    assert widths[1] == pytest.approx(2 * widths[0], abs=0.2)
    assert widths[2] == pytest.approx(widths[0], abs=0.2)
    assert "0.250" in words(svg)
    assert "\N{MINUS SIGN}0.250" in words(svg)
    assert "reference" in words(svg)


def test_a_histogram_counts_by_ranges() -> None:
    svg = charts.histogram([1, 1, 2, 5, 6, 400], edges=[1, 2, 6], title="t")
    heights = [height for _, height in rows(svg)]
    assert heights[0] == heights[1] == heights[2] > 0  # two in each
    assert {"1", "2\N{EN DASH}5", "6+", "33 %"} <= set(words(svg))
    assert "1: 2; 2\N{EN DASH}5: 2; 6+: 2" in svg


def test_a_histogram_leaves_nothing_out_silently() -> None:
    with pytest.raises(ValueError, match="below the first edge"):
        charts.histogram([0], edges=[1, 2], title="t")
    with pytest.raises(ValueError, match="ascend"):
        charts.histogram([1], edges=[2, 2], title="t")


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0.13, 0.61, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]),
        (0.0, 23.0, [0, 5, 10, 15, 20, 25]),
        (-3.0, 4.0, [-4, -2, 0, 2, 4]),
        (2.0, 2.0, [1, 1.5, 2, 2.5, 3]),
        (0.0, 0.0, [-0.5, 0, 0.5]),
    ],
)
def test_ticks_are_round_and_enclose_the_data(low: float, high: float, ticks: list[float]) -> None:
    found = round_ticks(low, high)
    assert found[0] <= low
    assert found[-1] >= high
    if (low, high) != (0.0, 0.0):
        assert found == pytest.approx(ticks)


def test_whole_things_have_no_fractions_on_their_axis() -> None:
    assert round_ticks(1, 3, whole=True) == [1, 2, 3]


@pytest.mark.parametrize("tiny", [1e-5, 3e-7])
def test_small_rates_are_written_short(tiny: float) -> None:
    svg = charts.lines({"rate": [(0, 0.0), (1, tiny)]}, title="t")
    assert all(len(text) < 9 for text in words(svg))


def test_the_same_input_gives_the_same_bytes() -> None:
    again = charts.lines({"a": [(1, 0.5), (2, 0.25)]}, title="Loss", x_label="step")
    assert again == ALL["lines"]


def test_the_colours_stand_out_on_light_and_on_dark_ground() -> None:
    used = set(re.findall(r"#[0-9a-f]{6}", charts.lines(
        {str(n): [(0, n), (1, n)] for n in range(6)}, title="t"
    )))  # fmt: skip
    assert len(used) == 6
    for colour in used:
        for ground in ("#ffffff", "#1b1e21"):
            assert _contrast(colour, ground) >= 3, (colour, ground)


def _contrast(one: str, other: str) -> float:
    """Of WCAG 2.2, for #rrggbb."""

    def luminance(colour: str) -> float:
        channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_no_two_ticks_of_a_narrow_range_read_the_same() -> None:
    svg = charts.lines({"temperature": [(1, 0.05402), (2, 0.05403)]}, title="Temperature")
    ticks = [text for text in words(svg) if text.endswith("e-2")]
    assert len(ticks) >= 4
    assert len(ticks) == len(set(ticks))
