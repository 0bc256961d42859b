import pytest

from ecgcore.figures.palette import DARK, LIGHT, Palette, palette


def luminance(colour: str) -> float:
    """WCAG 2.2 relative luminance of #rrggbb."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=lambda colours: colours.name)
def test_text_and_letters_can_be_read(colours: Palette):
    for colour in (colours.text, colours.muted, colours.accent, colours.warning, *colours.beats.values()):
        assert contrast(colour, colours.paper) >= 4.5, colour
    assert set(colours.beats) == set("NSVFQP")


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=lambda colours: colours.name)
def test_trace_stands_out_from_paper_and_grid(colours: Palette):
    assert contrast(colours.trace, colours.paper) == max(
        contrast(c, colours.paper) for c in (colours.trace, colours.text, colours.grid, colours.grid_heavy, *colours.beats.values())
    )
    assert contrast(colours.trace, colours.grid_heavy) >= 7
    assert contrast(colours.grid_heavy, colours.paper) > contrast(colours.grid, colours.paper) > 1.05


def test_the_day_is_the_default():
    assert palette(None) is palette("light") is LIGHT
    assert palette("dark") is DARK
